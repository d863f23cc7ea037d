// Collections: pages of elements in a table, each to be edited or removed, and a row to add one. What differs between
// hashes, lists, sets, sorted sets and streams is in a plan.
import { call } from '../api.js';
import { byteLength, display, equalBytes, escape, unescape } from '../bytes.js';
import { formatExact } from '../format.js';
import { ask, messageOf, notify } from '../ui/dialog.js';
import { button, fill, h, iconButton } from '../ui/dom.js';
import { Countdown, emptyState, errorState, table } from '../ui/parts.js';
import { timeField, timeOfField } from './expiry.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */
/** @typedef {import('../ui/dialog.js').Field} Field */
/** An element: what its cells show, what it has left to live, and whatever its plan needs to find it again.
 * @typedef {{cells: (Bytes | Node)[], time?: Countdown | null, [name: string]: any}} Item */
/** A page of elements; `next` leads to the following one, null: there is none.
 * @typedef {{items: Item[], next: any}} Loaded */
/** @typedef {{
 *   word: string, words: string,
 *   columns: string[],
 *   count: (key: Bytes) => Promise<number>,
 *   page: number,
 *   load: (key: Bytes, next: any, pattern: string, limit: number) => Promise<Loaded>,
 *   searches?: boolean,
 *   addFields: () => Field[],
 *   add: (key: Bytes, values: Record<string, string>) => Promise<unknown>,
 *   editFields?: (item: Item) => Field[],
 *   edit?: (key: Bytes, item: Item, values: Record<string, string>) => Promise<unknown>,
 *   remove: (key: Bytes, item: Item) => Promise<unknown>,
 *   extra?: (key: Bytes) => Promise<Node | null>,
 *   expiry?: import('./expiry.js').Expiry,
 *   nameIn?: string,
 * }} Plan `page`: elements to load at once, if they are not large; `expiry`: of elements whose name is the first cell, and stands in the field `nameIn` of the forms */

const CELL = 300; // characters
const PAGE_BYTES = 4 << 20; // of elements that are large
const MOST_STEPS = 40; // without a match, before somebody is asked whether to go on

/** A field for bytes; the form gives it back through unescape(). @param {string} name @param {string} label @param {Bytes} [value] @param {number} [rows] @returns {Field} */
export function bytesField(name, label, value = '', rows) {
  const escaped = escape(value),
    lines = escaped.replace(/\\[\\n]/g, (pair) => (pair === '\\n' ? '\n' : pair));
  return {
    name,
    label,
    value: rows ? lines : escaped,
    rows,
    hint: rows ? 'Escapes as \\x00 and \\\\ stand for bytes.' : undefined,
  };
}

/** @param {string} text of a field made by bytesField() */
export const bytesOfField = (text) => unescape(text);

/** @param {Bytes | Node} cell */
function showCell(cell) {
  if (cell instanceof Node) return cell;
  const text = display(cell, CELL);
  return h(
    'span',
    { class: 'mono cell' },
    text || h('i', { class: 'hint' }, 'empty'),
    text.length > CELL && h('span', { class: 'hint' }, ` ${formatExact(byteLength(cell))} bytes`),
  );
}

/** @param {Plan} plan @returns {(root: HTMLElement, key: Bytes, context: import('./types.js').ViewContext) => void} */
export function collectionView(plan) {
  return (root, key, context) => {
    new Collection(plan, root, key, context).start();
  };
}

class Collection {
  /** @param {Plan} plan @param {HTMLElement} root @param {Bytes} key @param {import('./types.js').ViewContext} context */
  constructor(plan, root, key, context) {
    this.plan = plan;
    this.key = key;
    this.context = context;
    this.root = root;
    this.round = 0;
    this.limit = 0;
    /** @type {Item[]} */
    this.items = [];
    /** @type {any} */
    this.next = undefined;
    this.filter = h('input', {
      type: 'search',
      'aria-label': `Search ${plan.words}`,
      placeholder: 'Pattern',
      class: 'small',
      onchange: () => this.start(),
    });
    this.count = h('span', { class: 'hint', role: 'status' });
    this.rows = h('div', {});
    this.extra = h('div', {});
    this.more = h('button', { type: 'button', class: 'button wide', onclick: () => this.loadMore() }, 'Load more');
    const add = button('plus', `Add ${plan.word}`, { onclick: () => this.add() });
    fill(
      root,
      h('div', { class: 'collection-tools' }, this.count, plan.searches && this.filter, add),
      this.rows,
      this.more,
      this.extra,
    );
  }

  async start() {
    this.round++;
    this.limit = 0;
    this.items = [];
    this.next = undefined;
    await this.loadMore();
  }

  /** What the new elements have left to live; who may not ask sees none. @param {Item[]} items */
  async loadTimes(items) {
    const names = items.map((item) => /** @type {Bytes} */ (item.cells[0]));
    const times = (await this.plan.expiry?.load(this.key, names)) ?? [];
    items.forEach((item, i) => {
      item.time = typeof times[i] === 'number' ? new Countdown(times[i]) : times[i];
    });
  }

  /** Elements per page: fewer when they are large. */
  async pageSize() {
    const { plan, key } = this;
    const [bytes, count] = await Promise.all([call(['MEMORY', 'USAGE', key]).catch(() => 0), plan.count(key)]);
    return Math.min(plan.page, Math.max(1, Math.floor((PAGE_BYTES * count) / (Number(bytes) || 1))));
  }

  /** The next elements; a search goes on where there are none, for a while. @returns {Promise<Loaded>} */
  async loadPage() {
    const { plan, key } = this,
      limit = (this.limit ||= await this.pageSize());
    let loaded = await plan.load(key, this.next, this.filter.value.trim(), limit);
    for (let i = 1; i < MOST_STEPS && !loaded.items.length && loaded.next !== null; i++)
      loaded = await plan.load(key, loaded.next, this.filter.value.trim(), limit);
    return loaded;
  }

  async loadMore() {
    const round = this.round,
      { plan, key } = this;
    this.more.disabled = true;
    try {
      const [loaded, count, extra] = await Promise.all([this.loadPage(), plan.count(key), plan.extra?.(key)]);
      await this.loadTimes(loaded.items);
      if (round !== this.round || this.context.signal.aborted) return;
      this.items.push(...loaded.items);
      this.next = loaded.next;
      this.draw(count);
      if (extra) fill(this.extra, extra);
    } catch (error) {
      if (!this.context.signal.aborted) fill(this.rows, errorState(error));
    } finally {
      this.more.disabled = false;
    }
  }

  /** @param {number} count */
  draw(count) {
    const { plan, items } = this;
    fill(this.count, `${formatExact(items.length)} of ${formatExact(count)} ${count === 1 ? plan.word : plan.words}`);
    this.more.hidden = this.next === null;
    if (!items.length)
      fill(this.rows, emptyState(`No ${plan.words}${this.next === null ? '' : ' so far'}`, this.filter.value ? 'None matches the pattern.' : null));
    else fill(this.rows, this.table());
  }

  table() {
    const { plan, items } = this,
      timed = items.some((item) => item.time);
    return table(
      plan.words,
      [...plan.columns, ...(timed ? ['>Expires in'] : []), '>'],
      items.map((item) => [
        ...item.cells.map(showCell),
        ...(timed ? [item.time?.element ?? '–'] : []),
        this.actions(item),
      ]),
    );
  }

  /** @param {Item} item */
  actions(item) {
    const name = item.cells[0] instanceof Node ? '' : display(item.cells[0], 40);
    return h(
      'span',
      { class: 'row-actions' },
      this.plan.edit && iconButton('edit', `Edit ${name}`, { onclick: () => this.edit(item) }),
      iconButton('trash', `Remove ${name}`, { onclick: () => this.remove(item) }),
    );
  }

  /** Shows what a change has made of the key; the dialog of the change stays until then. */
  async changed() {
    try {
      const type = await this.context.refresh();
      if (type === 'none') this.context.changed(null);
      else await this.start();
    } catch (error) {
      notify(messageOf(error), 'bad');
    }
  }

  /** The field for the time to live, where elements have one. @param {Item | null} item */
  timeFields(item) {
    return this.plan.expiry && item?.time !== undefined ? [timeField(item.time?.left(), 'it stays for ever')] : [];
  }

  async add() {
    const { plan, key } = this;
    await ask({
      title: `Add ${plan.word}`,
      action: 'Add',
      fields: [...plan.addFields(), ...this.timeFields({ cells: [], time: null })],
      act: async (values) => {
        const ms = timeOfField(values.ttl ?? '');
        await plan.add(key, values);
        if (ms !== null) await plan.expiry?.set(key, bytesOfField(values[plan.nameIn ?? '']), ms);
        await this.changed();
      },
    });
  }

  /** An element that was edited has the time of the form, and one with a new name the time that it had.
   * @param {Item} item @param {string} before what stood in the form @param {Record<string, string>} values */
  async editTime(item, before, values) {
    const { plan, key } = this;
    if (!plan.expiry || !plan.nameIn || values.ttl === undefined) return;
    const name = bytesOfField(values[plan.nameIn]),
      renamed = !equalBytes(name, /** @type {Bytes} */ (item.cells[0]));
    if (values.ttl !== before) await plan.expiry.set(key, name, timeOfField(values.ttl));
    else if (renamed && item.time) await plan.expiry.set(key, name, Math.max(1, item.time.left()));
  }

  /** @param {Item} item */
  async edit(item) {
    const { plan, key } = this;
    if (!plan.edit || !plan.editFields) return;
    const act = plan.edit,
      time = this.timeFields(item),
      shown = String(time[0]?.value ?? '');
    const done = await ask({
      title: `Edit ${plan.word}`,
      action: 'Save',
      fields: [...plan.editFields(item), ...time],
      act: async (values) => {
        timeOfField(values.ttl ?? ''); // before anything is written
        await act(key, item, values);
        await this.editTime(item, shown, values);
        await this.changed();
      },
    });
    if (done) notify('Saved');
  }

  /** @param {Item} item */
  async remove(item) {
    const { plan, key } = this;
    const text = item.cells
      .filter((cell) => !(cell instanceof Node))
      .map((cell) => display(/** @type {Bytes} */ (cell), 100))
      .join('  ');
    await ask({
      title: `Remove this ${plan.word}?`,
      text,
      action: 'Remove',
      danger: true,
      act: async () => {
        await plan.remove(key, item);
        await this.changed();
      },
    });
  }
}
