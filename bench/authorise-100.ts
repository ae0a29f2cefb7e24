// Decisions per CPU-second with 100 policies, against bare Cedar that has them prepared.
import { measureDecisions } from './authorise/measure-decisions.ts';
import { publish } from './measure/figure.ts';

publish(await measureDecisions(100));
