// The key browser: a list that SCAN fills, and one key beside it. The address names the database and the key.
import { ReplyError, api, call, pipeline } from '../api.js';
import { display, equalBytes, fromPercent, percent, unescape } from '../bytes.js';
import { formatDuration, formatNumber } from '../format.js';
import { showKey } from '../keys/key.js';
import { TYPES } from '../keys/types.js';
import { ask, messageOf, notify } from '../ui/dialog.js';
import { button, fill, h, icon, iconButton } from '../ui/dom.js';
import { emptyState, errorState, typeBadge } from '../ui/parts.js';

/** @typedef {import('../bytes.js').Bytes} Bytes */

const SCAN_COUNT = 200; // buckets per step
const PAGE_KEYS = 100;
const MOST_STEPS = 40; // without a match, before somebody is asked whether to go on

/** @param {number} db @param {Bytes} key */
export const keyAddress = (db, key) => `#/keys/${db}/${percent(key)}`;

class KeyList {
  constructor() {
    this.cursor = '0';
    this.pattern = '*';
    this.type = '';
    /** @type {Bytes[]} */
    this.keys = [];
    this.seen = new Set(); // SCAN may name a key twice
    this.done = false;
    this.round = 0;
    this.list = h('ul', { class: 'key-list', 'aria-label': 'Keys', onkeydown: moveFocus });
    this.more = h('button', { type: 'button', class: 'button wide', onclick: () => this.load() }, 'Load more');
    this.note = h('p', { class: 'hint', role: 'status' });
    this.element = h('div', { class: 'key-list-box' }, this.list, this.more);
    /** @type {Bytes | null} */
    this.current = null;
  }

  /** @param {string} pattern @param {string} type */
  restart(pattern, type) {
    Object.assign(this, { cursor: '0', keys: [], seen: new Set(), done: false, pattern: pattern || '*', type });
    this.round++;
    fill(this.list);
    return this.load();
  }

  async load() {
    const round = this.round;
    this.more.disabled = true;
    fill(this.note, 'Searching…');
    try {
      await this.scan(round);
    } catch (error) {
      if (round === this.round) fill(this.list, h('li', {}, errorState(error)));
    }
    if (round === this.round) this.showEnd();
  }

  /** @param {number} round */
  async scan(round) {
    for (let steps = 0, found = 0; steps < MOST_STEPS && found < PAGE_KEYS && !this.done; steps++) {
      const filter = this.type ? ['TYPE', this.type] : [];
      const [cursor, keys] = await call([
        'SCAN',
        this.cursor,
        'MATCH',
        unescape(this.pattern),
        'COUNT',
        SCAN_COUNT,
        ...filter,
      ]);
      if (round !== this.round) return;
      const fresh = keys.filter((/** @type {Bytes} */ key) => !this.seen.has(percent(key)));
      for (const key of fresh) this.seen.add(percent(key));
      await this.append(fresh, round);
      this.cursor = String(cursor);
      this.done = this.cursor === '0';
      found += fresh.length;
    }
  }

  /** @param {Bytes[]} keys @param {number} round */
  async append(keys, round) {
    const about = await pipeline(
      keys.flatMap((key) => [
        ['TYPE', key],
        ['PTTL', key],
      ]),
    );
    if (round !== this.round) return;
    keys.forEach((key, i) => {
      const [type, ttl] = about.slice(i * 2, i * 2 + 2);
      if (type === 'none') return; // it went between the two questions
      this.keys.push(key);
      this.list.append(this.row(key, type instanceof Error ? '?' : String(type), Number(ttl)));
    });
  }

  /** @param {Bytes} key @param {string} type @param {number} ttl */
  row(key, type, ttl) {
    return h(
      'li',
      {},
      h(
        'a',
        { href: keyAddress(api.db, key), 'aria-current': this.isCurrent(key), 'data-key': percent(key) },
        typeBadge(type),
        h('span', { class: 'mono clip' }, display(key, 120) || h('i', {}, 'empty name')),
        ttl > 0 && h('span', { class: 'hint ttl' }, formatDuration(ttl / 1000)),
      ),
    );
  }

  /** @param {Bytes} key */
  isCurrent(key) {
    return this.current !== null && equalBytes(key, this.current) ? 'true' : null;
  }

  /** @param {Bytes | null} key */
  mark(key) {
    this.current = key;
    const name = key === null ? null : percent(key);
    for (const link of this.list.querySelectorAll('a'))
      if (link.dataset.key === name) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
  }

  showEnd() {
    this.more.disabled = false;
    this.more.hidden = this.done;
    if (this.keys.length || !this.done) {
      fill(this.note, `${formatNumber(this.keys.length, 'key')}${this.done ? '' : ' so far'}`);
    } else if (!this.list.childElementCount) {
      fill(this.note);
      fill(
        this.list,
        h(
          'li',
          {},
          this.pattern === '*' && !this.type
            ? emptyState('This database is empty', 'Create the first key with “New key”.')
            : emptyState('No key matches', 'Patterns are those of SCAN: user:*, h?llo, [ab]*.'),
        ),
      );
    }
  }
}

/** @param {KeyboardEvent} event */
function moveFocus(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key],
    list = /** @type {HTMLElement} */ (event.currentTarget);
  if (!step) return;
  const links = [...list.querySelectorAll('a')],
    at = links.indexOf(/** @type {HTMLAnchorElement} */ (document.activeElement));
  event.preventDefault();
  links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
}

/** @param {import('../main.js').Page} page */
export function showKeys({ root, signal, sampler }) {
  const list = new KeyList();
  const pattern = h('input', {
    type: 'search',
    id: 'key-pattern',
    placeholder: 'Pattern, as user:*',
    spellcheck: 'false',
    autocapitalize: 'off',
  });
  const type = h(
    'select',
    { 'aria-label': 'Type', onchange: () => search() },
    h('option', { value: '' }, 'All types'),
    Object.keys(TYPES).map((name) => h('option', { value: name }, name)),
  );
  const db = h('select', {
    'aria-label': 'Database',
    onchange: () => {
      location.hash = `#/keys/${db.value}`;
    },
  });
  const detail = h('div', { class: 'key-detail' });
  const search = () => list.restart(pattern.value.trim(), type.value);
  const form = h(
    'form',
    {
      class: 'key-search',
      role: 'search',
      onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        search();
      },
    },
    h('label', { class: 'hidden', for: 'key-pattern' }, 'Pattern'),
    h('div', { class: 'search-box' }, icon('search'), pattern),
    type,
    db,
  );
  const tools = h(
    'div',
    { class: 'key-tools' },
    list.note,
    iconButton('refresh', 'Search again', { onclick: search }),
    button('plus', 'New key', { class: 'primary', onclick: create }),
  );
  fill(root, h('div', { class: 'key-side' }, form, tools, list.element), detail);

  async function create() {
    const made = await newKey();
    if (!made) return;
    await search();
    location.hash = keyAddress(api.db, made);
  }

  /** The key has another name, or is gone. @param {Bytes | null} key */
  function changed(key) {
    search();
    location.hash = key === null ? `#/keys/${api.db}` : keyAddress(api.db, key);
  }

  let shownDb = -1,
    keyLeaves = new AbortController();
  function follow() {
    const [name, dbText, keyText] = location.hash.replace(/^#\/?/, '').split('/');
    if (name !== 'keys') return;
    const key = keyText === undefined ? null : fromPercent(keyText);
    api.db = Number(dbText) || 0;
    db.value = String(api.db);
    keyLeaves.abort();
    keyLeaves = new AbortController();
    root.classList.toggle('with-key', key !== null);
    list.mark(key);
    if (api.db !== shownDb) search();
    shownDb = api.db;
    if (key === null) fill(detail, emptyState('No key chosen', 'Choose one of the list to see and edit its value.'));
    else showKey(detail, key, { changed, signal: keyLeaves.signal });
  }
  fillDatabases(db, sampler).then(follow);
  addEventListener('hashchange', follow, { signal });
  signal.addEventListener('abort', () => {
    keyLeaves.abort();
    api.db = 0;
  });
}

/** As many as the server has, when it says so. @param {HTMLSelectElement} select @param {import('../sampler.js').Sampler} sampler */
async function fillDatabases(select, sampler) {
  const reply = await call(['CONFIG', 'GET', 'databases']).catch(() => []);
  const count = Math.min(Number(reply[1] ?? 16), 1024);
  const draw = () => {
    const keys = (/** @type {number} */ i) => /keys=(\d+)/.exec(sampler.info[`db${i}`] ?? '')?.[1];
    fill(
      select,
      Array.from({ length: count }, (_, i) =>
        h('option', { value: i, selected: i === api.db }, `db ${i}${keys(i) ? ` (${keys(i)})` : ''}`),
      ),
    );
  };
  draw();
  if (!sampler.last('time')) sampler.addEventListener('sample', draw, { once: true });
}

/** @returns {Promise<Bytes | null>} */
async function newKey() {
  /** @type {Bytes | null} */
  let made = null;
  await ask({
    title: 'New key',
    action: 'Create',
    fields: [
      { name: 'key', label: 'Name', required: true, hint: 'Escapes as \\n, \\x00, \\\\ stand for bytes.' },
      { name: 'type', label: 'Type', options: Object.keys(TYPES).map((name) => [name, name]) },
      {
        name: 'first',
        label: 'Field or score',
        hint: 'Of a hash or stream the field, of a sorted set the score; else empty.',
      },
      { name: 'value', label: 'Value', rows: 4 },
      { name: 'ttl', label: 'Time to live in seconds', type: 'number', min: 1, hint: 'Empty: for ever.' },
    ],
    act: async (values) => {
      const key = unescape(values.key);
      if (await call(['EXISTS', key])) throw new ReplyError(`There is a key of this name already.`);
      await call(TYPES[values.type].create(key, values.first, values.value));
      if (values.ttl) await call(['EXPIRE', key, values.ttl]);
      made = key;
    },
  }).catch((error) => notify(messageOf(error), 'bad'));
  return made;
}
