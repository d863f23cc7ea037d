// What COMMAND DOCS says: names to complete, and how commands are written.
import { call } from '../api.js';

/** @typedef {{name: string, type: string, token?: string, text: string, optional: boolean, multiple: boolean,
 *   multipleToken: boolean, parts: Argument[]}} Argument */
/** @typedef {{name: string, summary: string, group: string, complexity: string, since: string, args: Argument[],
 *   subcommands: Map<string, Doc>}} Doc */

/** @param {any[]} flat @returns {Record<string, any>} */
function record(flat) {
  /** @type {Record<string, any>} */
  const found = {};
  for (let i = 0; i + 1 < flat.length; i += 2) found[String(flat[i])] = flat[i + 1];
  return found;
}

/** @param {any[]} flat @returns {Argument} */
function parseArgument(flat) {
  const doc = record(flat),
    flags = new Set(doc.flags ?? []);
  return {
    name: doc.name,
    type: doc.type,
    token: doc.token,
    text: doc.display_text ?? doc.name,
    optional: flags.has('optional'),
    multiple: flags.has('multiple'),
    multipleToken: flags.has('multiple_token'),
    parts: Array.isArray(doc.arguments) ? doc.arguments.map(parseArgument) : [],
  };
}

/** @param {string} name @param {any[]} flat @returns {Doc} */
function parseDoc(name, flat) {
  const doc = record(flat);
  return {
    name,
    summary: doc.summary ?? '',
    group: doc.group ?? '',
    complexity: doc.complexity ?? '',
    since: doc.since ?? '',
    args: (doc.arguments ?? []).map(parseArgument),
    subcommands: parseDocs(doc.subcommands ?? []),
  };
}

/** @param {any[]} flat @returns {Map<string, Doc>} */
export function parseDocs(flat) {
  const docs = new Map();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = String(flat[i]).split('|').pop() ?? '';
    docs.set(name.toUpperCase(), parseDoc(name.toUpperCase(), flat[i + 1]));
  }
  return docs;
}

/** @type {Promise<Map<string, Doc>> | null} */
let loading = null;

/** Once per page. @returns {Promise<Map<string, Doc>>} */
export function loadDocs() {
  loading ??= call(['COMMAND', 'DOCS'])
    .then(parseDocs)
    .catch((error) => {
      loading = null;
      throw error;
    });
  return loading;
}

/** @param {Argument} arg without its brackets @returns {string} */
function core(arg) {
  if (arg.type === 'pure-token') return arg.token ?? '';
  if (arg.type === 'oneof') {
    const choices = arg.parts.map((part) => syntax(part)).join(' | ');
    return arg.token ? `${arg.token} <${choices}>` : arg.optional ? choices : `<${choices}>`;
  }
  const inner = arg.type === 'block' ? arg.parts.map(syntax).join(' ') : arg.text;
  return arg.token ? `${arg.token} ${inner}`.trim() : inner;
}

/** @param {Argument} arg @returns {string} */
export function syntax(arg) {
  let text = core(arg);
  if (arg.multiple)
    text += arg.token && !arg.multipleToken ? ` [${text.slice(arg.token.length + 1)} …]` : ` [${text} …]`;
  return arg.optional ? `[${text}]` : text;
}

/** @param {Argument[]} args @returns {string[]} */
export function tokensOf(args) {
  return args.flatMap((arg) => [...(arg.token ? [arg.token] : []), ...tokensOf(arg.parts)]);
}

/** The command of a line, and how many of its words name it.
 * @param {Map<string, Doc>} docs @param {import('../bytes.js').Bytes[]} words @returns {{doc: Doc, used: number} | null} */
export function findDoc(docs, words) {
  const doc = docs.get(String(words[0] ?? '').toUpperCase());
  if (!doc) return null;
  const sub = doc.subcommands.get(String(words[1] ?? '').toUpperCase());
  return sub ? { doc: { ...sub, name: `${doc.name} ${sub.name}` }, used: 2 } : { doc, used: 1 };
}

/** What the word at the end may become. `full`: the words before it.
 * @param {Map<string, Doc>} docs @param {string[]} full @param {string} prefix @returns {{word: string, summary: string}[]} */
export function complete(docs, full, prefix) {
  const begins = (/** @type {string} */ word) => word.startsWith(prefix.toUpperCase());
  const pick = (/** @type {Map<string, Doc>} */ from) =>
    [...from.values()]
      .filter((doc) => begins(doc.name))
      .sort((a, b) => a.name.localeCompare(b.name))
      .map((doc) => ({ word: doc.name, summary: doc.summary }));
  if (!full.length) return prefix ? pick(docs) : [];
  const found = findDoc(docs, full);
  if (!found) return [];
  if (found.doc.subcommands.size && full.length === 1) return pick(found.doc.subcommands);
  const given = new Set(full.map((word) => word.toUpperCase()));
  if (!prefix && full.length === found.used) return [];
  const tokens = [...new Set(tokensOf(found.doc.args))].filter(
    (token) => /\w/.test(token) && begins(token) && !given.has(token),
  );
  return prefix ? tokens.map((word) => ({ word, summary: '' })) : [];
}

/** How the line goes on: the arguments without those in front that are given.
 * @param {Doc} doc @param {number} given */
export function remaining(doc, given) {
  let at = 0;
  while (
    at < given &&
    at < doc.args.length &&
    !doc.args[at].optional &&
    !doc.args[at].multiple &&
    doc.args[at].type !== 'block' &&
    !doc.args[at].token
  )
    at++;
  if (!at && !doc.args.length) return doc.subcommands.size ? '<subcommand>' : '';
  return doc.args.slice(at).map(syntax).join(' ');
}
