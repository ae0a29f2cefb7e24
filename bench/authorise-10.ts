// Decisions per CPU-second with 10 policies, against bare Cedar that has them prepared.
import { measureDecisions } from './authorise/measure-decisions.ts';
import { publish } from './measure/figure.ts';

publish(await measureDecisions(10));
