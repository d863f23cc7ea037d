// Publish and subscribe: tails of channels and patterns, and the channels that have subscribers.
import { call, keepEvents, pipeline } from '../api.js';
import { display, percent, unescape } from '../bytes.js';
import { formatExact, formatTime } from '../format.js';
import { fieldElement, formValues, messageOf, notify } from '../ui/dialog.js';
import { fill, h, iconButton } from '../ui/dom.js';
import { emptyState, errorState, panel, repeat, table } from '../ui/parts.js';
import { Tail, tailTools } from '../ui/tail.js';

const CHANNELS_MS = 2000;
const TAILS_MAX = 3; // a browser opens six connections to one server; the rest is for commands

/** @param {import('../main.js').Page} page */
export function showPubsub({ root, signal }) {
  const tail = new Tail(
    'Messages',
    emptyState('No messages yet', 'Subscribe to a channel or a pattern to see what is published.'),
  );
  const chips = h('ul', { class: 'chips', 'aria-label': 'Subscriptions' });
  const channels = h('div', { class: 'panel-body' });
  const subscribeForm = h(
    'form',
    { class: 'inline-form', onsubmit: subscribe },
    fieldElement({
      name: 'kind',
      label: 'Kind',
      options: [
        ['subscribe', 'Channel'],
        ['psubscribe', 'Pattern'],
      ],
    }),
    fieldElement({ name: 'name', label: 'Channel or pattern', required: true, placeholder: 'news' }),
    h('button', { type: 'submit', class: 'button primary' }, 'Subscribe'),
  );
  const publishForm = h(
    'form',
    { class: 'inline-form', onsubmit: publish },
    fieldElement({ name: 'channel', label: 'Channel', required: true }),
    fieldElement({ name: 'message', label: 'Message' }),
    h('button', { type: 'submit', class: 'button' }, 'Publish'),
  );
  fill(
    root,
    h('div', { class: 'columns' }, panel('Subscribe', null, subscribeForm, chips), panel('Publish', null, publishForm)),
    panel('Messages', tailTools(tail), tail.element),
    panel('Active channels', null, channels),
  );

  /** @param {SubmitEvent} event */
  async function subscribe(event) {
    event.preventDefault();
    const { kind, name } = formValues(subscribeForm);
    if (chips.childElementCount >= TAILS_MAX)
      return notify(`${TAILS_MAX} subscriptions at a time: end one first.`, 'bad');
    try {
      follow(kind, name);
      /** @type {HTMLInputElement} */ (subscribeForm.elements.namedItem('name')).value = '';
    } catch (error) {
      notify(messageOf(error), 'bad');
    }
  }

  /** @param {string} kind @param {string} name */
  async function follow(kind, name) {
    const stop = new AbortController(),
      ends = AbortSignal.any([signal, stop.signal]);
    const state = h('span', { class: 'hint' }, 'connecting…');
    const chip = h(
      'li',
      { class: 'chip' },
      h('span', { class: 'mono' }, name),
      kind === 'psubscribe' && h('span', { class: 'hint' }, 'pattern'),
      state,
      iconButton('close', `Unsubscribe from ${name}`, { onclick: () => stop.abort() }),
    );
    chips.append(chip);
    try {
      await keepEvents(
        `/${kind}/${percent(unescape(name))}`,
        (data) => receive(kind, name, data),
        ends,
        () => {
          fill(state, 'listening');
          chip.dataset.state = 'open';
        },
        () => {
          fill(state, 'connecting again…');
          chip.dataset.state = 'lost';
        },
      );
    } catch (error) {
      if (!ends.aborted) notify(`${name}: ${messageOf(error)}`, 'bad');
    }
    chip.remove();
  }

  /** "message,channel,text"; "pmessage,pattern,channel,text". @param {string} kind @param {string} name @param {string} data */
  function receive(kind, name, data) {
    const head = kind === 'subscribe' ? 'message,' : `pmessage,${name},`;
    if (!data.startsWith(head)) return; // the answer to the subscription
    const rest = data.slice(head.length),
      known = kind === 'subscribe' && rest.startsWith(`${name},`);
    const mark = known ? name.length : rest.indexOf(',');
    tail.add(
      h(
        'li',
        {},
        h('time', {}, formatTime(Date.now())),
        h('span', { class: 'badge' }, display(rest.slice(0, mark), 80)),
        h('span', { class: 'mono' }, display(rest.slice(mark + 1), 4000)),
      ),
    );
  }

  /** @param {SubmitEvent} event */
  async function publish(event) {
    event.preventDefault();
    const { channel, message } = formValues(publishForm);
    try {
      const heard = await call(['PUBLISH', unescape(channel), message]);
      notify(heard === 1 ? 'One subscriber heard it' : `${heard} subscribers heard it`);
    } catch (error) {
      notify(messageOf(error), 'bad');
    }
  }

  repeat(CHANNELS_MS, signal, async () => {
    fill(channels, await channelsView().catch(errorState));
  });
}

async function channelsView() {
  const names = (await call(['PUBSUB', 'CHANNELS'])).slice(0, 100),
    patterns = await call(['PUBSUB', 'NUMPAT']);
  if (!names.length)
    return emptyState('No channel has subscribers', patterns ? `${patterns} patterns are subscribed to.` : null);
  const [counts] = await pipeline([['PUBSUB', 'NUMSUB', ...names]]);
  if (counts instanceof Error) throw counts;
  return table(
    'Active channels',
    ['Channel', '>subscribers'],
    names.map((/** @type {any} */ name, /** @type {number} */ i) => [
      h('span', { class: 'mono' }, display(name, 100)),
      formatExact(Number(counts[i * 2 + 1])),
    ]),
  );
}
