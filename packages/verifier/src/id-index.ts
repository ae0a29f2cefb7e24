import { PlaceTable } from './place-table.ts';

/** Numbers by id, where the ids lie in a list of texts. */
export class IdIndex {
  readonly #texts: readonly string[];
  readonly #stride: number;
  readonly #places: PlaceTable;

  /** @param stride the id of number `n` is `texts[n * stride]` */
  constructor(texts: readonly string[], stride: number) {
    this.#texts = texts;
    this.#stride = stride;
    this.#places = new PlaceTable((number) => hashOf(texts[number * stride] as string));
  }

  /** -1 when there is none. */
  find(id: string): number {
    const place = this.#placeOf(id);
    return place < 0 ? -1 : this.#places.numberAt(place);
  }

  /** The id lies among the texts already. */
  add(number: number): void {
    this.#places.add(number);
  }

  remove(id: string): void {
    const place = this.#placeOf(id);
    if (place >= 0) this.#places.removeAt(place);
  }

  numbers(): Generator<number> {
    return this.#places.numbers();
  }

  #placeOf(id: string): number {
    const hash = hashOf(id);
    let place = this.#places.first(hash);
    while (place >= 0 && this.#texts[this.#places.numberAt(place) * this.#stride] !== id) {
      place = this.#places.next(hash, place);
    }
    return place;
  }
}

/** FNV-1a over the end, where ids differ. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = Math.max(0, id.length - 16); i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}
