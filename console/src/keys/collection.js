// Collections: pages of elements in a table, each to be edited or removed, and a row to add one. What differs between
// hashes, lists, sets, sorted sets and streams is in a plan.
import { byteLength, display, escape, unescape } from '../bytes.js';
import { formatExact } from '../format.js';
import { ask, messageOf, notify } from '../ui/dialog.js';
import { button, fill, h, iconButton } from '../ui/dom.js';
import { emptyState, errorState, table } from '../ui/parts.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */
/** @typedef {import('../ui/dialog.js').Field} Field */
/** An element: what its cells show, and whatever its plan needs to find it again.
 * @typedef {{cells: (Bytes | Node)[], [name: string]: any}} Item */
/** A page of elements; `next` leads to the following one, null: there is none.
 * @typedef {{items: Item[], next: any}} Loaded */
/** @typedef {{
 *   word: string, words: string,
 *   columns: string[],
 *   count: (key: Bytes) => Promise<number>,
 *   load: (key: Bytes, next: any, pattern: string) => Promise<Loaded>,
 *   searches?: boolean,
 *   addFields: () => Field[],
 *   add: (key: Bytes, values: Record<string, string>) => Promise<unknown>,
 *   editFields?: (item: Item) => Field[],
 *   edit?: (key: Bytes, item: Item, values: Record<string, string>) => Promise<unknown>,
 *   remove: (key: Bytes, item: Item) => Promise<unknown>,
 *   extra?: (key: Bytes) => Promise<Node | null>,
 * }} Plan */

const CELL = 300; // characters

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
    this.items = [];
    this.next = undefined;
    await this.loadMore();
  }

  async loadMore() {
    const round = this.round,
      { plan, key } = this;
    this.more.disabled = true;
    try {
      const [loaded, count, extra] = await Promise.all([
        plan.load(key, this.next, this.filter.value.trim()),
        plan.count(key),
        plan.extra?.(key),
      ]);
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
      fill(this.rows, emptyState(`No ${plan.words}`, this.filter.value ? 'None matches the pattern.' : null));
    else
      fill(
        this.rows,
        table(
          plan.words,
          [...plan.columns, '>'],
          items.map((item) => [...item.cells.map(showCell), this.actions(item)]),
        ),
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

  async changed() {
    const type = await this.context.refresh();
    if (type === 'none') this.context.changed(null);
    else await this.start();
  }

  async add() {
    const { plan, key } = this;
    const done = await ask({
      title: `Add ${plan.word}`,
      action: 'Add',
      fields: plan.addFields(),
      act: (values) => plan.add(key, values),
    });
    if (done) await this.changed();
  }

  /** @param {Item} item */
  async edit(item) {
    const { plan, key } = this;
    if (!plan.edit || !plan.editFields) return;
    const act = plan.edit;
    const done = await ask({
      title: `Edit ${plan.word}`,
      action: 'Save',
      fields: plan.editFields(item),
      act: (values) => act(key, item, values),
    });
    if (!done) return;
    notify('Saved');
    await this.changed();
  }

  /** @param {Item} item */
  async remove(item) {
    const { plan, key } = this;
    const text = item.cells
      .filter((cell) => !(cell instanceof Node))
      .map((cell) => display(/** @type {Bytes} */ (cell), 100))
      .join('  ');
    const done = await ask({
      title: `Remove this ${plan.word}?`,
      text,
      action: 'Remove',
      danger: true,
      act: () => plan.remove(key, item),
    });
    if (done) await this.changed().catch((error) => notify(messageOf(error), 'bad'));
  }
}
