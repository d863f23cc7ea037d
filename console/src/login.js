// Who asks: shown when the server answers 401.
import { LoginError, call, dropCredential, setCredential } from './api.js';
import { fieldElement, formValues, messageOf } from './ui/dialog.js';
import { fill, h } from './ui/dom.js';

/** @param {HTMLElement} root @param {string} problem with the credential of before; empty: there was none
 * @param {() => void} onDone */
export function showLogin(root, problem, onDone) {
  const error = h('p', { class: 'form-error', role: 'alert' }, problem);
  const submit = h('button', { type: 'submit', class: 'button primary wide' }, 'Sign in');
  const icon = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel=icon]')).href;
  const form = h(
    'form',
    { class: 'login', onsubmit: run },
    h('img', { src: icon, alt: '', width: 48, height: 48 }),
    h('h1', {}, 'Sign in to Tokamak'),
    h(
      'p',
      { class: 'hint' },
      `${location.host} asks who you are. Use an ACL user, or the password of the server alone.`,
    ),
    fieldElement({ name: 'user', label: 'User', value: 'default', required: true }),
    fieldElement({ name: 'password', label: 'Password', type: 'password' }),
    error,
    submit,
    h('p', { class: 'hint' }, 'Kept in this tab until it is closed.'),
  );

  /** @param {SubmitEvent} event */
  async function run(event) {
    event.preventDefault();
    const { user, password } = formValues(form);
    submit.disabled = true;
    setCredential(user, password);
    try {
      await call(['PING']);
      onDone();
    } catch (refusal) {
      if (refusal instanceof LoginError) dropCredential();
      else if (/^NOPERM/.test(messageOf(refusal))) return onDone(); // it is somebody, who may not PING
      fill(error, messageOf(refusal));
    } finally {
      submit.disabled = false;
    }
  }
  document.title = 'Sign in · Tokamak';
  fill(root, h('main', { class: 'login-page' }, form));
  /** @type {HTMLInputElement} */ (form.elements.namedItem('password')).focus();
}
