import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SyncReply } from '../src/protocol.js';
import { type WidgetModel, WidgetTransport } from '../src/widget.js';

class FakeModel implements WidgetModel {
  sent: Record<string, unknown>[] = [];
  private listeners = new Map<string, Set<(content: unknown) => void>>();

  get(): unknown {
    return '';
  }

  send(content: unknown): void {
    this.sent.push(content as Record<string, unknown>);
  }

  on(event: string, callback: (content: unknown) => void): void {
    const there = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, there.add(callback));
  }

  off(event: string, callback: (content: unknown) => void): void {
    this.listeners.get(event)?.delete(callback);
  }

  tell(content: unknown): void {
    this.listeners.get('msg:custom')?.forEach((one) => one(content));
  }

  get heard(): number {
    return this.listeners.get('msg:custom')?.size ?? 0;
  }
}

test('two views of one model each get the replies to their own requests', async () => {
  const model = new FakeModel();
  const [one, two] = [new WidgetTransport(model), new WidgetTransport(model)];
  const replies = [
    one.request<SyncReply>({ type: 'sync' }),
    two.request<SyncReply>({ type: 'sync' }),
  ];
  assert.notEqual(model.sent[0]?.id, model.sent[1]?.id);
  model.tell({ kind: 'reply', v: 1, ok: true, to: model.sent[1]?.id, kernel: 'b' });
  model.tell({ kind: 'reply', v: 1, ok: true, to: model.sent[0]?.id, kernel: 'a' });
  assert.deepEqual(
    (await Promise.all(replies)).map((reply) => reply.kernel),
    ['a', 'b'],
  );
});

test('pushes reach the listeners, anything else does not', () => {
  const model = new FakeModel();
  const transport = new WidgetTransport(model);
  const heard: unknown[] = [];
  const end = transport.onPush((push) => heard.push(push.kind));
  for (const content of [{ kind: 'bye' }, { kind: 'odd' }, null, 'text', { method: 'update' }]) {
    model.tell(content);
  }
  end();
  model.tell({ kind: 'bye' });
  assert.deepEqual(heard, ['bye']);
});

test('a view that is taken away leaves nothing on the model', () => {
  const model = new FakeModel();
  const transport = new WidgetTransport(model);
  transport.onPush(() => undefined);
  transport.dispose();
  assert.equal(model.heard, 0);
});
