// The command line: what is entered runs, and its replies stand as redis-cli writes them.
import { LoginError, ReplyError, api, call } from '../api.js';
import { formatMicros } from '../format.js';
import { findDoc, syntax } from '../shell/docs.js';
import { CommandInput } from '../shell/input.js';
import { isReport, replyText } from '../shell/reply.js';
import { splitLine } from '../shell/words.js';
import { fill, h, iconButton } from '../ui/dom.js';

const SHOWN_MAX = 200; // replies that stay on the page
const REPLY_MAX = 200000; // characters
const STREAMS = new Map([
  ['SUBSCRIBE', 'Pub/Sub'],
  ['PSUBSCRIBE', 'Pub/Sub'],
  ['MONITOR', 'Monitor'],
]);

/** @param {import('../main.js').Page} page */
export function showShell({ root, signal }) {
  new Shell(root, signal).start();
}

class Shell {
  /** @param {HTMLElement} root @param {AbortSignal} signal */
  constructor(root, signal) {
    this.signal = signal;
    this.line = new CommandInput(() => this.clear());
    this.output = h('div', { class: 'shell-output', role: 'log', 'aria-label': 'Replies', tabindex: '0' }, welcome());
    this.prompt = h('span', { class: 'prompt mono', 'aria-hidden': 'true' });
    const form = h(
      'form',
      {
        class: 'shell-line',
        onsubmit: (/** @type {Event} */ e) => {
          e.preventDefault();
          this.run(this.line.take());
        },
      },
      this.prompt,
      this.line.element,
      iconButton('play', 'Run', { type: 'submit' }),
    );
    fill(
      root,
      h(
        'div',
        { class: 'shell' },
        this.output,
        h('div', { class: 'shell-input' }, this.line.list, form, this.line.hint),
      ),
    );
  }

  async start() {
    this.showPrompt();
    this.line.input.focus({ preventScroll: true });
    this.signal.addEventListener('abort', () => {
      api.db = 0;
    });
    await this.line.loadDocs();
  }

  showPrompt() {
    fill(this.prompt, api.db ? `[${api.db}]>` : '>');
  }

  clear() {
    fill(this.output, welcome());
  }

  /** @param {string} line */
  async run(line) {
    const { words, error } = splitLine(line);
    if (!words.length && !error) return;
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
    if (STREAMS.has(name)) throw new ReplyError(`${name} has a page of its own: ${STREAMS.get(name)}.`);
    if (name === 'SELECT' && words.length === 2) return this.select(Number(words[1]));
    return call(words, this.signal);
  }

  /** @param {number} db */
  async select(db) {
    if (!Number.isInteger(db)) throw new ReplyError('ERR value is not an integer or out of range');
    await call(['PING'], this.signal, db); // is there such a database?
    api.db = db;
    this.showPrompt();
    return 'OK';
  }

  /** @param {string[]} words @returns {Node} */
  help(words) {
    const found = findDoc(this.line.docs, words);
    if (!found) throw new ReplyError(words.length ? `No such command: ${words.join(' ')}` : 'HELP <command>');
    const { doc } = found;
    return h(
      'div',
      { class: 'help' },
      h('code', {}, doc.name, ' ', doc.args.map(syntax).join(' ')),
      h('p', {}, doc.summary),
      h('p', { class: 'hint' }, `${doc.group}, since ${doc.since}. ${doc.complexity}`),
      doc.subcommands.size > 0 && h('p', { class: 'hint' }, `Subcommands: ${[...doc.subcommands.keys()].join(', ')}`),
    );
  }

  /** @param {string} line */
  append(line) {
    const reply = h('div', { class: 'reply pending' }, '…');
    this.output.append(
      h(
        'div',
        { class: 'entry' },
        h('div', { class: 'entered mono' }, h('span', { class: 'prompt' }, this.prompt.textContent, ' '), line),
        reply,
      ),
    );
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
  return h(
    'p',
    { class: 'hint welcome' },
    'Commands run as the user you are signed in as. Nothing asks back: FLUSHALL flushes.',
  );
}
