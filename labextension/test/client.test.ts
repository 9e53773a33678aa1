/** Requests and pushes over a wire that is played by the test. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, NoReply, type Sending, type Wire } from '../src/core/client.js';
import type { Push, Reply } from '../src/protocol.js';

class Played implements Wire {
  sent: Record<string, unknown>[] = [];
  cancelled = 0;
  push: (data: unknown) => void = () => undefined;
  answer: (content: Record<string, unknown>) => Promise<unknown> = () =>
    new Promise(() => undefined);

  send(content: Record<string, unknown>): Sending {
    this.sent.push(content);
    return { reply: this.answer(content), cancel: () => (this.cancelled += 1) };
  }

  onPush(listener: (data: unknown) => void): () => void {
    this.push = listener;
    return () => (this.push = () => undefined);
  }
}

const reply: Reply = { v: 1, ok: true, message: '', to: '' };

test('a request carries version, client and an id of its own', async () => {
  const wire = new Played();
  wire.answer = (content) => Promise.resolve({ ...reply, to: content['id'] });
  const client = new Client(wire, { client: 'me' });
  const first = await client.request({ type: 'sync' });
  const second = await client.request({ type: 'sync' });
  assert.equal(wire.sent[0]?.['v'], 1);
  assert.equal(wire.sent[0]?.['client'], 'me');
  assert.notEqual(first.to, second.to);
});

test('a request without an answer is sent once more, with the same id', async () => {
  const wire = new Played();
  wire.answer = () =>
    wire.sent.length === 2 ? Promise.resolve(reply) : new Promise(() => undefined);
  const client = new Client(wire, { client: 'me', repeat: 5 });
  assert.equal((await client.request({ type: 'sync' })).ok, true);
  assert.equal(wire.sent[0]?.['id'], wire.sent[1]?.['id']);
  assert.equal(wire.cancelled, 2);
});

test('a kernel that does not know us is given up in time, and not called slow', async () => {
  const wire = new Played();
  const client = new Client(wire, { client: 'me', repeat: 1, slow: 1 });
  await assert.rejects(client.request({ type: 'sync' }, 10), NoReply);
  assert.equal(wire.sent.length, 1);
  assert.equal(client.isSlow, false);
});

test('a slow answer is said, and taken back when it is there', async () => {
  const wire = new Played();
  let answer: (value: unknown) => void = () => undefined;
  wire.answer = () => new Promise((resolve) => (answer = resolve));
  const client = new Client(wire, { client: 'me', slow: 1 });
  const said: boolean[] = [];
  client.onSlow((slow) => {
    said.push(slow);
    if (slow) answer(reply);
  });
  await client.request({ type: 'sync' });
  assert.deepEqual(said, [true, false]);
});

test('a closed client rejects what waits and hears nothing more', async () => {
  const wire = new Played();
  const client = new Client(wire, { client: 'me' });
  const heard: Push[] = [];
  client.onPush((push) => heard.push(push));
  wire.push({ kind: 'bye' });
  wire.push({ kind: 'nonsense' });
  wire.push('nonsense');
  const waiting = client.request({ type: 'sync' });
  client.dispose();
  await assert.rejects(waiting, NoReply);
  wire.push({ kind: 'bye' });
  assert.deepEqual(heard, [{ kind: 'bye' }]);
});
