// The web console in a real browser. TOKAMAK_HTTP: the port of a server without a password, TOKAMAK_LOCKED: of one with
// ACL users (ann:secret may only read), TOKAMAK_PORT: the RESP port of the first.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, test } from 'node:test';
import Redis from 'ioredis';
import { chromium } from 'playwright-core';

const url = `http://127.0.0.1:${process.env.TOKAMAK_HTTP}`;
const locked = `http://127.0.0.1:${process.env.TOKAMAK_LOCKED}`;
const PHONE = { width: 390, height: 844 };
const PAGES = ['overview', 'keys', 'shell', 'pubsub', 'monitor', 'slowlog', 'clients'];
const redis = new Redis(Number(process.env.TOKAMAK_PORT));

let browser, context, page, problems, foreign;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
});

after(async () => {
  await browser.close();
  redis.disconnect();
});

beforeEach(async () => {
  await redis.flushall();
});

/** A fresh browser profile; whatever the page complains about, or asks of others, fails the test. */
async function open(address, options = {}, base = url) {
  context = await browser.newContext(options);
  page = await context.newPage();
  page.setDefaultTimeout(20000);
  problems = [];
  foreign = [];
  page.on('pageerror', (error) => problems.push(error.stack));
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of (400|401|403)/.test(message.text())) problems.push(message.text());
  });
  context.on('request', (request) => {
    if (!request.url().startsWith(base)) foreign.push(request.url());
  });
  await page.goto(`${base}/#/${address}`);
}

const visit = (name, run, options, base) =>
  test(name, { timeout: 60000 }, async (t) => {
    await open(options?.at ?? 'overview', options, base);
    try {
      await run(t);
      assert.deepEqual(problems, []);
      assert.deepEqual(foreign, []);
    } catch (error) {
      if (process.env.CONSOLE_SHOT) await page.screenshot({ path: process.env.CONSOLE_SHOT });
      throw error;
    } finally {
      await context.close();
    }
  });

async function until(what, check) {
  const end = Date.now() + 20000;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`not seen: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const field = (label) => page.getByLabel(label, { exact: true });
const button = (name, root = page) => root.getByRole('button', { name, exact: true });

visit('figures and charts move under load', async () => {
  await page.locator('[data-tile=commands]').getByText('/s').waitFor();
  let on = true;
  const load = (async () => {
    while (on) await Promise.all(Array.from({ length: 50 }, (_, i) => redis.set(`k${i}`, i)));
  })();
  const shown = async () =>
    Number((await page.locator('[data-tile=commands] .tile-value').textContent()).replace(/[^\d.]/g, ''));
  await until(
    'a rate',
    async () =>
      (await shown()) > 50 || /k|M/.test(await page.locator('[data-tile=commands] .tile-value').textContent()),
  );
  // The line itself: pixels of the chart that are not the same as a moment ago.
  const pixels = () =>
    page
      .locator('.chart canvas')
      .first()
      .evaluate((canvas) => canvas.toDataURL());
  const before = await pixels();
  await until('another picture', async () => (await pixels()) !== before);
  await until('latencies', async () =>
    /µs|ms/.test(await page.locator('[data-tile=latency] .tile-value').textContent()),
  );
  await page.getByRole('region', { name: 'Commands' }).getByText('set', { exact: true }).first().waitFor();
  on = false;
  await load;
  await page.locator('.bars .type-string').first().waitFor(); // memory by type: the walk has come by
});

visit(
  'the key browser finds, edits, renames and deletes',
  async () => {
    await redis.set('user:1', 'Ann', 'EX', 1000);
    await redis.set('other', 'x');
    await page.getByRole('link', { name: 'Keys', exact: true }).click();
    await field('Pattern').fill('user:*');
    await field('Pattern').press('Enter');
    await page.locator('.key-list').getByText('user:1').click();
    assert.equal(await page.locator('.key-list').getByText('other').count(), 0);
    await until('the value', async () => (await field('Value').inputValue()) === 'Ann');
    await field('Value').fill('Bob\nand é');
    await button('Save').click();
    await until('the new value', async () => (await redis.get('user:1')) === 'Bob\nand é');
    assert.ok((await redis.ttl('user:1')) > 900);
    await redis.append('user:1', '!');
    await field('Value').fill('lost?');
    await button('Save').click();
    await page.getByText('the value has changed meanwhile').waitFor();
    assert.equal(await redis.get('user:1'), 'Bob\nand é!');
    await button('Rename').click();
    await field('New name').fill('user:2');
    await button('Rename', page.getByRole('dialog')).click();
    await page.getByRole('heading', { name: 'user:2' }).waitFor();
    await page.locator('.ttl-button').click();
    await field('Seconds from now').fill('');
    await button('Set', page.getByRole('dialog')).click();
    await until('no expiry', async () => (await redis.ttl('user:2')) === -1);
    await button('Delete').click();
    await button('Delete', page.getByRole('dialog')).click();
    await until('no key', async () => (await redis.exists('user:2')) === 0);
  },
  { at: 'overview' },
);

visit(
  'every type is shown and edited',
  async () => {
    await redis.hset('h', 'f', 'v');
    await redis.rpush('l', 'a', 'b', 'c');
    await redis.sadd('s', 'm');
    await redis.zadd('z', 1, 'm');
    await redis.xadd('x', '*', 'f', 'v1');
    const dialog = page.getByRole('dialog');
    const change = async (key, edit, label, value, check) => {
      await page.goto(`${url}/#/keys/0/${key}`);
      await page.getByRole('heading', { name: key, exact: true }).waitFor();
      await button(edit).click();
      await dialog.getByLabel(label, { exact: true }).fill(value);
      await dialog.getByRole('button', { name: /^(Save|Add)$/ }).click();
      await until(`${key} changed`, check);
      await dialog.waitFor({ state: 'detached' });
    };
    await change('h', 'Edit f', 'Value', 'w', async () => (await redis.hget('h', 'f')) === 'w');
    await change(
      'h',
      'Edit f',
      'Value',
      'C:\\\\new\nline',
      async () => (await redis.hget('h', 'f')) === 'C:\\new\nline',
    );
    await button('Edit f').click();
    assert.equal(await dialog.getByLabel('Value', { exact: true }).inputValue(), 'C:\\\\new\nline');
    await button('Cancel', dialog).click();
    await change('l', 'Edit 1', 'Element', 'B', async () => (await redis.lindex('l', 1)) === 'B');
    await button('Remove 0').click();
    await button('Remove', dialog).click();
    await until('an element less', async () => (await redis.lrange('l', 0, -1)).join() === 'B,c');
    await change('s', 'Edit m', 'Member', 'n', async () => (await redis.smembers('s')).join() === 'n');
    await change('z', 'Edit m', 'Score', '2.5', async () => (await redis.zscore('z', 'm')) === '2.5');
    await change('x', 'Add entry', 'Fields', 'g hello world', async () => (await redis.xlen('x')) === 2);
    await page.getByText('hello world').waitFor();
    await page.getByRole('button', { name: 'New key' }).click();
    await dialog.getByLabel('Name').fill('made');
    await dialog.getByLabel('Type').selectOption('set');
    await dialog.getByLabel('Value').fill('first');
    await button('Create', dialog).click();
    await until('a new key', async () => (await redis.smembers('made')).join() === 'first');
  },
  { at: 'keys' },
);

visit(
  'members have a time to live',
  async () => {
    const dialog = page.getByRole('dialog'),
      binary = Buffer.from([0xff, 0x01]);
    await redis.hset('h', 'f', 'v', 'g', 'w', binary, 'b');
    await redis.call('HPEXPIRE', 'h', 91800000, 'FIELDS', 2, 'f', binary);
    await redis.zadd('z', 1, 'm');
    await redis.call('ZPEXPIRE', 'z', 91800000, 'MEMBERS', 1, 'm');
    await redis.sadd('s', 'm', 'n');
    const left = {
      h: async (name) => (await redis.call('HPTTL', 'h', 'FIELDS', 1, name))[0],
      z: async (name) => (await redis.call('ZPTTL', 'z', 'MEMBERS', 1, name))[0],
      s: async (name) => (await redis.call('FIELDTTL', 's', name)) * 1000,
    };
    const edit = async (name, label, value) => {
      await button(`Edit ${name}`).click();
      await dialog.getByLabel(label, { exact: true }).fill(value);
      await button('Save', dialog).click();
      await dialog.waitFor({ state: 'detached' });
    };
    await page.goto(`${url}/#/keys/0/h`);
    await page.getByText('1 d 1 h', { exact: true }).nth(1).waitFor(); // of the text and of the bytes
    await edit('f', 'Value', 'changed');
    assert.equal(await redis.hget('h', 'f'), 'changed');
    assert.ok((await left.h('f')) > 400000);
    await edit('f', 'Time to live in seconds', '');
    assert.equal(await left.h('f'), -1);
    await edit('\\xff\\x01', 'Field', 'named');
    assert.ok((await left.h('named')) > 400000);
    await button('Add field').click();
    await dialog.getByLabel('Field', { exact: true }).fill('new');
    await dialog.getByLabel('Time to live in seconds', { exact: true }).fill('1000');
    await button('Add', dialog).click();
    await until('a field that expires', async () => (await left.h('new')) > 900000);
    await page.goto(`${url}/#/keys/0/z`);
    await edit('m', 'Score', '7');
    assert.equal(await redis.zscore('z', 'm'), '7');
    assert.ok((await left.z('m')) > 400000);
    await page.goto(`${url}/#/keys/0/s`);
    await edit('m', 'Time to live in seconds', '300');
    assert.ok((await left.s('m')) > 200000);
    await page.getByText(/^[45] m/).waitFor();
    await edit('m', 'Time to live in seconds', '');
    assert.equal(await left.s('m'), -1000);
    assert.equal((await redis.smembers('s')).sort().join(), 'm,n');
  },
  { at: 'slowlog' },
);

visit(
  'long strings are shown in parts, and files',
  async () => {
    const long = 'é'.repeat(400000);
    await redis.set('long', long, 'EX', 1000);
    await page.goto(`${url}/#/keys/0/long`);
    await page.getByText('Bytes 0 to 65,536 of 781 KB').waitFor();
    await button('To the end').click();
    await page.getByText(/^Bytes 786,432 to 800,000/).waitFor();
    await field('First byte').fill('101'); // the middle of a character
    await field('First byte').press('Enter');
    await until('whole characters', async () => (await field('Value').inputValue()) === 'é'.repeat(32767));
    const [saved] = await Promise.all([page.waitForEvent('download'), button('Download').click()]);
    assert.equal(saved.suggestedFilename(), 'long');
    assert.equal(await readFile(await saved.path(), 'utf8'), long);
    const bytes = Buffer.from([...Array(256).keys()]);
    await page.locator('input[type=file]').setInputFiles({ name: 'new.bin', mimeType: 'application/x', buffer: bytes });
    await button('Replace', page.getByRole('dialog')).click();
    await until('the file', async () => (await redis.getBuffer('long')).equals(bytes));
    assert.ok((await redis.ttl('long')) > 900);
    await until('it in the editor', async () => (await field('Value').inputValue()).startsWith('\\x00\\x01'));
  },
  { at: 'slowlog' },
);

visit(
  'large elements come a few at a time, and a search goes on until it finds',
  async () => {
    await redis.rpush('l', ...Array(12).fill('x'.repeat(1 << 20)));
    await redis.hset('h', Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`f${i}`, i])));
    await page.goto(`${url}/#/keys/0/l`);
    await page.getByText(/^[1-6] of 12 elements$/).waitFor();
    await button('Load more', page.locator('.key-body')).click();
    await page.getByText(/^([4-9]|1[0-2]) of 12 elements$/).waitFor();
    await page.goto(`${url}/#/keys/0/h`);
    await field('Search fields').fill('f2999');
    await field('Search fields').press('Enter');
    await button('Edit f2999').waitFor();
  },
  { at: 'slowlog' },
);

visit(
  'what was lost comes back with the server',
  async () => {
    await field('Channel or pattern').fill('news');
    await button('Subscribe').click();
    await page.locator('.chip[data-state=open]').waitFor();
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    const messages = page.getByRole('log', { name: 'Messages' });
    await until('messages again', async () => {
      await redis.publish('news', 'back'); // the first may still go to the connection that ends
      return (await messages.getByText('back').count()) > 0;
    });
    await redis.set('k', 'v');
    await context.setOffline(true);
    await page.locator('.banner').getByText('The server does not answer').waitFor();
    await page.goto(`${url}/#/keys/0/k`);
    await page.locator('.key-detail .error').waitFor();
    await context.setOffline(false);
    await until('the value', async () => (await field('Value').inputValue()) === 'v');
    await page.locator('.key-list').getByText('k', { exact: true }).waitFor();
    problems = problems.filter((problem) => !/net::ERR_/.test(problem));
  },
  { at: 'pubsub' },
);

visit(
  'bytes that are no text survive',
  async () => {
    const key = Buffer.from([0x62, 0xff, 0x00, 0x2f, 0x2e]),
      value = Buffer.from([0, 1, 0xfe, 0xff, 0x0d, 0x0a]);
    await redis.set(key, value);
    await redis.set('..', 'dots');
    await page.goto(`${url}/#/keys`);
    await page.locator('.key-list').getByText('b\\xff\\x00/.').click();
    await until('the value', async () => (await field('Value').inputValue()) === '\\x00\\x01\\xfe\\xff\\r\\n');
    await field('Value').fill('\\x00\\xfe\\\\new\\r');
    await button('Save').click();
    await until('the new value', async () =>
      (await redis.getBuffer(key))?.equals(Buffer.from('\0\xfe\\new\r', 'latin1')),
    );
    await page.locator('.key-list').getByText('..', { exact: true }).click();
    await until('the other value', async () => (await field('Value').inputValue()) === 'dots');
  },
  { at: 'slowlog' },
);

visit(
  'names and values of strangers are text',
  async () => {
    const evil = '<img src=x onerror="document.title=\'owned\'">';
    await redis.set(evil, evil);
    await redis.hset(`${evil}h`, evil, evil);
    await page.goto(`${url}/#/keys`);
    await page.locator('.key-list').getByText(evil, { exact: true }).click();
    await until('the value', async () => (await field('Value').inputValue()) === evil);
    await page.locator('.key-list').getByText(`${evil}h`, { exact: true }).click();
    await page.locator('.cell').first().waitFor();
    await redis.publish('news', evil);
    await page.goto(`${url}/#/shell`);
    await field('Command').fill(`ECHO '${evil.replaceAll("'", "\\'")}'`);
    await field('Command').press('Enter');
    await page.locator('.reply', { hasText: 'onerror' }).waitFor();
    assert.equal(await page.locator('img[src=x]').count(), 0);
    assert.doesNotMatch(await page.title(), /owned/);
  },
  { at: 'slowlog' },
);

visit(
  'the command line runs, completes, hints and remembers',
  async () => {
    const line = field('Command'),
      replies = page.locator('.reply');
    const enter = async (text) => {
      await line.fill(text);
      await line.press('Enter');
    };
    await page.getByText('Tab completes').waitFor();
    await line.pressSequentially('hgeta');
    await page.getByRole('option', { name: /HGETALL/ }).waitFor();
    await line.press('Tab');
    assert.equal(await line.inputValue(), 'HGETALL ');
    await page.locator('.shell-hint').getByText('HGETALL key').waitFor();
    await line.fill('');
    await line.pressSequentially('SET k v nx k');
    await line.press('Tab');
    assert.equal(await line.inputValue(), 'SET k v nx KEEPTTL ');
    await enter('SET greeting "a\\nb"');
    await until('the reply', async () => (await replies.last().textContent()) === 'OK');
    assert.equal(await redis.get('greeting'), 'a\nb');
    await enter('INCRBY n 9007199254740993');
    await until('an exact number', async () => (await replies.last().textContent()) === '(integer) 9007199254740993');
    await enter('LPUSH greeting x');
    await page.getByText('(error) WRONGTYPE').waitFor();
    await enter('SELECT 3');
    await until('the reply', async () => (await replies.last().textContent()) === 'OK');
    await enter('SET three 3');
    await until(
      'the key there',
      async () =>
        (await redis.call('DBSIZE')) === 2 && /keys=1/.test(/db3:.*/.exec(await redis.info('keyspace'))?.[0] ?? ''),
    );
    await line.press('ArrowUp');
    await line.press('ArrowUp');
    assert.equal(await line.inputValue(), 'SELECT 3');
  },
  { at: 'shell' },
);

visit(
  'publications arrive',
  async () => {
    await field('Channel or pattern').fill('news,paper');
    await button('Subscribe').click();
    await field('Kind').selectOption('psubscribe');
    await field('Channel or pattern').fill('w*');
    await button('Subscribe').click();
    await until('two tails', async () => (await page.locator('.chip[data-state=open]').count()) === 2);
    await redis.publish('news,paper', 'hello, world');
    await redis.publish('weather', 'rain');
    const messages = page.getByRole('log', { name: 'Messages' });
    await messages.getByText('hello, world').waitFor();
    await messages.getByText('rain').waitFor();
    await field('Channel').fill('weather');
    await field('Message').fill('sun');
    await button('Publish').click();
    await messages.getByText('sun').waitFor();
    await button('Unsubscribe from w*').click();
    await until('the server to know', async () => (await redis.call('PUBSUB', 'NUMPAT')) === 0);
  },
  { at: 'pubsub' },
);

visit(
  'the monitor shows what runs',
  async () => {
    await button('Start').click();
    await page.getByText('watching', { exact: true }).waitFor();
    await redis.set('seen', 'by everybody');
    const line = page.getByRole('log', { name: 'Commands' }).getByText('"seen" "by everybody"');
    await line.waitFor();
    await field('Show only lines with').fill('nothing like it');
    await line.waitFor({ state: 'hidden' });
    await button('Stop').click();
    await until('the server to know', async () => !/cmd=monitor/.test(await redis.call('CLIENT', 'LIST')));
  },
  { at: 'monitor' },
);

visit(
  'slow commands and clients are listed',
  async () => {
    await redis.config('SET', 'slowlog-log-slower-than', 0);
    await redis.set('slow', 1);
    await redis.config('SET', 'slowlog-log-slower-than', -1);
    await page.locator('tbody').getByText('set slow 1').first().waitFor();
    await page.getByRole('link', { name: 'Clients', exact: true }).click();
    const other = new Redis({
      port: Number(process.env.TOKAMAK_PORT),
      connectionName: 'doomed',
      retryStrategy: null,
    });
    other.on('error', () => {});
    const closed = new Promise((done) => other.on('end', done));
    await other.ping();
    await page
      .getByRole('row', { name: /doomed/ })
      .getByRole('button')
      .click();
    await button('Close it').click();
    await closed;
  },
  { at: 'slowlog' },
);

visit(
  'a server with users asks who it is',
  async () => {
    await page.getByRole('heading', { name: 'Sign in to Tokamak' }).waitFor();
    await field('User').fill('ann');
    await field('Password').fill('wrong');
    await button('Sign in').click();
    await page.getByText(/WRONGPASS/).waitFor();
    await field('Password').fill('secret');
    await field('Password').press('Enter');
    await page.getByText('Live').waitFor();
    await page.getByRole('link', { name: 'Command line' }).click();
    await field('Command').fill('ACL WHOAMI');
    await field('Command').press('Enter');
    await page.locator('.reply', { hasText: '"ann"' }).waitFor();
    await field('Command').fill('SET k v');
    await field('Command').press('Enter');
    await page.locator('.reply', { hasText: 'NOPERM' }).waitFor();
    await page.reload();
    await page.getByText('Live').waitFor();
    await button('Sign out').click();
    await page.getByRole('heading', { name: 'Sign in to Tokamak' }).waitFor();
  },
  {},
  locked,
);

for (const colorScheme of ['light', 'dark']) {
  visit(
    `fits a phone, ${colorScheme}`,
    async () => {
      await redis.hset('a'.repeat(200), 'f'.repeat(300), 'v'.repeat(300));
      for (const name of [...PAGES, `keys/0/${'a'.repeat(200)}`]) {
        await page.goto(`${url}/#/${name}`);
        await page
          .locator('main')
          .locator(':is(.panel, .key-side, .key-detail, .shell, .tile):visible')
          .first()
          .waitFor();
        await page.waitForLoadState('networkidle', { timeout: 300 }).catch(() => {}); // figures keep coming
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= PHONE.width, name);
      }
      const dark = await page.evaluate(() =>
        getComputedStyle(document.body)
          .backgroundColor.match(/\d+/g)
          .every((part) => part < 60),
      );
      assert.equal(dark, colorScheme === 'dark');
    },
    { viewport: PHONE, colorScheme },
  );
}

visit(
  'the theme can be chosen, and the page used without a mouse',
  async () => {
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await theme(), 'light');
    await button('Theme: as the system').click();
    await button('Theme: light').click();
    assert.equal(await theme(), 'dark');
    await page.reload();
    await page.getByText('Live').waitFor();
    assert.equal(await theme(), 'dark');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter'); // the skip link
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll('button, a, input, select, textarea')]
        .filter((each) => !(each.getAttribute('aria-label') || each.labels?.length || each.textContent.trim()))
        .map((each) => each.outerHTML),
    );
    assert.deepEqual(unnamed, []);
  },
  { colorScheme: 'light' },
);
