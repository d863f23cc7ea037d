// The command line: completion and hints out of COMMAND DOCS, history, replies as redis-cli writes them.
import { LoginError, ReplyError, api, call } from '../api.js';
import { formatMicros } from '../format.js';
import { complete, findDoc, loadDocs, remaining, syntax } from '../shell/docs.js';
import { isReport, replyText } from '../shell/reply.js';
import { splitLine } from '../shell/words.js';
import { messageOf } from '../ui/dialog.js';
import { fill, h, iconButton } from '../ui/dom.js';

const HISTORY = 'tokamak.history'; // of this tab: commands may hold secrets
const HISTORY_MAX = 200;
const SHOWN_MAX = 200; // replies that stay on the page
const REPLY_MAX = 200000; // characters
const CHOICES_MAX = 12;
const STREAMS = new Map([['SUBSCRIBE', 'pubsub'], ['PSUBSCRIBE', 'pubsub'], ['MONITOR', 'monitor']]);

/** @returns {string[]} */
function keptHistory() {
  try {
    return JSON.parse(sessionStorage.getItem(HISTORY) ?? '[]');
  } catch {
    return [];
  }
}

/** @param {import('../main.js').Page} page */
export function showShell({ root, signal }) {
  new Shell(root, signal).start();
}

class Shell {
  /** @param {HTMLElement} root @param {AbortSignal} signal */
  constructor(root, signal) {
    this.signal = signal;
    this.docs = new Map();
    this.history = keptHistory();
    this.at = this.history.length;
    this.draft = '';
    /** @type {{word: string, summary: string}[]} */
    this.choices = [];
    this.chosen = -1;
    this.output = h('div', { class: 'shell-output', role: 'log', 'aria-label': 'Replies', tabindex: '0' }, welcome());
    this.ghost = h('span', { class: 'ghost', 'aria-hidden': 'true' });
    this.input = h('input', { type: 'text', class: 'mono', role: 'combobox', 'aria-label': 'Command', 'aria-autocomplete': 'list', 'aria-expanded': 'false',
      'aria-controls': 'choices', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', enterkeyhint: 'go', placeholder: 'A command, as SET greeting hello',
      oninput: () => this.suggest(), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e), onblur: () => this.close() });
    this.prompt = h('span', { class: 'prompt mono', 'aria-hidden': 'true' });
    this.list = h('ul', { class: 'choices', id: 'choices', role: 'listbox', 'aria-label': 'Completions', hidden: true });
    this.hint = h('p', { class: 'shell-hint', 'aria-live': 'polite' });
    const line = h('form', { class: 'shell-line', onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); this.run(this.input.value); } },
      this.prompt, h('span', { class: 'line-box' }, this.input, this.ghost), iconButton('play', 'Run', { type: 'submit' }));
    fill(root, h('div', { class: 'shell' }, this.output, h('div', { class: 'shell-input' }, this.list, line, this.hint)));
  }

  async start() {
    this.showPrompt();
    this.input.focus({ preventScroll: true });
    this.signal.addEventListener('abort', () => { api.db = 0; });
    try {
      this.docs = await loadDocs();
      this.suggest();
    } catch (error) {
      fill(this.hint, `No completion: ${messageOf(error)}`);
    }
  }

  showPrompt() {
    fill(this.prompt, api.db ? `[${api.db}]>` : '>');
  }

  // ---- completion ----

  /** The words in front of the one at the end, and that one. */
  parts() {
    const { words, open } = splitLine(this.input.value), all = words.map(String);
    return open ? { full: all.slice(0, -1), prefix: all[all.length - 1] ?? '' } : { full: all, prefix: '' };
  }

  suggest() {
    const { full, prefix } = this.parts();
    const found = complete(this.docs, full, prefix);
    this.choices = found.length === 1 && found[0].word === prefix.toUpperCase() ? [] : found.slice(0, CHOICES_MAX);
    this.chosen = -1;
    this.showChoices();
    this.showHint([...full, ...(prefix ? [prefix] : [])], full.length);
  }

  /** @param {string[]} words @param {number} done */
  showHint(words, done) {
    const found = findDoc(this.docs, words);
    if (!found) {
      fill(this.ghost);
      fill(this.hint, words.length ? ' ' : 'Tab completes, ↑ and ↓ go through the history, HELP <command> explains.');
      return;
    }
    const { doc, used } = found, rest = remaining(doc, Math.max(0, words.length - used));
    fill(this.ghost, h('span', { class: 'typed' }, this.input.value), /\s$/.test(this.input.value) || !done ? `${/\s$/.test(this.input.value) ? '' : ' '}${rest}` : ` ${rest}`);
    fill(this.hint, h('code', {}, doc.name, ' ', h('span', {}, doc.args.map(syntax).join(' '))), h('span', {}, doc.summary));
  }

  showChoices() {
    this.list.hidden = !this.choices.length;
    this.input.setAttribute('aria-expanded', String(this.choices.length > 0));
    fill(this.list, this.choices.map(({ word, summary }, i) => h('li', { id: `choice-${i}`, role: 'option', 'aria-selected': String(i === this.chosen),
      onpointerdown: (/** @type {Event} */ e) => { e.preventDefault(); this.take(i); } }, h('b', { class: 'mono' }, word), h('span', {}, summary))));
    if (this.chosen >= 0) this.input.setAttribute('aria-activedescendant', `choice-${this.chosen}`);
    else this.input.removeAttribute('aria-activedescendant');
  }

  close() {
    this.choices = [];
    this.showChoices();
  }

  /** @param {number} index */
  take(index) {
    const { prefix } = this.parts(), { value } = this.input;
    this.input.value = `${value.slice(0, value.length - prefix.length)}${this.choices[index].word} `;
    this.suggest();
  }

  // ---- keys ----

  /** @param {KeyboardEvent} event */
  key(event) {
    const { key } = event, open = this.choices.length > 0;
    if (key === 'Tab' && open && !event.shiftKey) this.take(Math.max(this.chosen, 0));
    else if (key === 'Enter' && open && this.chosen >= 0) this.take(this.chosen);
    else if (key === 'Escape' && open) this.close();
    else if ((key === 'ArrowDown' || key === 'ArrowUp') && open) this.choose(key === 'ArrowDown' ? 1 : -1);
    else if (key === 'ArrowUp') this.recall(-1);
    else if (key === 'ArrowDown') this.recall(1);
    else if (key === 'l' && event.ctrlKey) this.clear();
    else return;
    event.preventDefault();
  }

  /** @param {number} step */
  choose(step) {
    const count = this.choices.length;
    this.chosen = (this.chosen + step + count + (this.chosen < 0 && step < 0 ? 1 : 0)) % count;
    this.showChoices();
  }

  /** @param {number} step */
  recall(step) {
    if (this.at === this.history.length) this.draft = this.input.value;
    this.at = Math.min(Math.max(this.at + step, 0), this.history.length);
    this.input.value = this.history[this.at] ?? this.draft;
    this.suggest();
    this.close();
  }

  /** @param {string} line */
  remember(line) {
    if (this.history[this.history.length - 1] !== line) this.history.push(line);
    this.history = this.history.slice(-HISTORY_MAX);
    this.at = this.history.length;
    sessionStorage.setItem(HISTORY, JSON.stringify(this.history.filter((each) => !/^\s*(auth|hello|acl\s+setuser|config\s+set\s+\S*pass)/i.test(each))));
  }

  // ---- running ----

  clear() {
    fill(this.output, welcome());
  }

  /** @param {string} line */
  async run(line) {
    const { words, error } = splitLine(line);
    if (!words.length && !error) return;
    this.input.value = '';
    this.close();
    this.remember(line);
    this.suggest();
    if (String(words[0]).toUpperCase() === 'CLEAR' && words.length === 1) return this.clear();
    const entry = this.append(line);
    const started = performance.now();
    try {
      if (error) throw new ReplyError(error);
      const reply = await this.execute(words);
      this.finish(entry, reply, (performance.now() - started) * 1000);
    } catch (problem) {
      if (problem instanceof LoginError) return;
      this.finish(entry, problem instanceof Error ? problem : new Error(String(problem)), 0);
    }
  }

  /** What the page itself answers, or the server. @param {import('../bytes.js').Bytes[]} words */
  async execute(words) {
    const name = String(words[0]).toUpperCase();
    if (name === 'HELP') return this.help(words.slice(1).map(String));
    if (STREAMS.has(name)) throw new ReplyError(`${name} has a page of its own: ${STREAMS.get(name) === 'monitor' ? 'Monitor' : 'Pub/Sub'}.`);
    if (name === 'SELECT' && words.length === 2) return this.select(Number(words[1]));
    return call(words, this.signal);
  }

  /** @param {number} db */
  async select(db) {
    const before = api.db;
    try {
      api.db = db;
      await call(['PING']);
    } catch (error) {
      api.db = before;
      throw error;
    }
    this.showPrompt();
    return 'OK';
  }

  /** @param {string[]} words @returns {Node} */
  help(words) {
    const found = findDoc(this.docs, words);
    if (!found) throw new ReplyError(words.length ? `No such command: ${words.join(' ')}` : 'HELP <command>');
    const { doc } = found;
    return h('div', { class: 'help' }, h('code', {}, doc.name, ' ', doc.args.map(syntax).join(' ')), h('p', {}, doc.summary),
      h('p', { class: 'hint' }, `${doc.group}, since ${doc.since}. ${doc.complexity}`),
      doc.subcommands.size > 0 && h('p', { class: 'hint' }, `Subcommands: ${[...doc.subcommands.keys()].join(', ')}`));
  }

  /** @param {string} line */
  append(line) {
    const reply = h('div', { class: 'reply pending' }, '…');
    this.output.append(h('div', { class: 'entry' }, h('div', { class: 'entered mono' }, h('span', { class: 'prompt' }, this.prompt.textContent, ' '), line), reply));
    while (this.output.childElementCount > SHOWN_MAX) this.output.firstElementChild?.remove();
    this.output.scrollTop = this.output.scrollHeight;
    return reply;
  }

  /** @param {HTMLElement} entry @param {any} reply @param {number} micros */
  finish(entry, reply, micros) {
    entry.className = `reply mono${reply instanceof Error ? ' failed' : ''}`;
    if (reply instanceof Node) {
      fill(entry, reply);
    } else {
      const text = isReport(reply) ? reply : replyText(reply);
      fill(entry, text.slice(0, REPLY_MAX), text.length > REPLY_MAX && '\n… cut');
    }
    if (micros) entry.title = `${formatMicros(micros)} with the way to the server and back`;
    this.output.scrollTop = this.output.scrollHeight;
  }
}

function welcome() {
  return h('p', { class: 'hint welcome' }, 'Commands run as the user you are signed in as. Nothing asks back: FLUSHALL flushes.');
}
