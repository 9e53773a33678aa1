import type { JSX } from 'preact';
import { clean, estimateText } from '../core/format.js';
import { live, type TreeNode } from '../core/node.js';
import type { AskInfo } from '../protocol.js';
import { Editor } from './editor.js';
import { ActionIcon } from './icons.js';
import { approve, editedOf } from './keys.js';
import type { Model } from './model.js';
import { isModel } from '../core/waiting.js';
import { asReply } from './person.js';

/** What a person can do to a node, by what it is and how it stands. */
export function Actions({ model, node }: { model: Model; node: TreeNode }): JSX.Element | null {
  if (model.player !== null) return null;
  const doing = model.doing !== null && model.doing.node === node.id ? model.doing.what : '';
  if (model.waiting?.id === node.id) {
    return <Proposal model={model} node={node} doing={doing} />;
  }
  const asking = model.info?.asking;
  if (asking && asking.cell === node.id) {
    return <Asking model={model} asking={asking} doing={doing} />;
  }
  if (node.kind === 'run' && doing === 'hand back') {
    return (
      <Editor
        model={model}
        label={model.trans('A note to the model (it is shown what you did)')}
        text=""
        verb={model.trans('Hand back')}
        optional
        onSend={(note) => void model.steer({ type: 'hand back', note })}
        onCancel={() => stop(model)}
      />
    );
  }
  if (node.kind === 'call' && live(node) && !model.over) {
    return <Call model={model} node={node} doing={doing} />;
  }
  if (model.cancellable(node)) {
    const what = node.kind === 'batch' ? 'Cancel the batch' : 'Cancel this child run';
    return (
      <div class="rlm-buttons">
        <Cancel model={model} node={node} what={model.trans(what)} />
      </div>
    );
  }
  return null;
}

function stop(model: Model): void {
  model.doing = null;
  model.wantsFocus = true;
  model.changed();
}

function Button(props: {
  label: string;
  icon: Parameters<typeof ActionIcon>[0]['name'];
  keys?: string;
  primary?: boolean;
  onClick: () => void;
}): JSX.Element {
  return (
    <button
      class={props.primary ? 'rlm-button rlm-primary' : 'rlm-button'}
      title={props.keys === undefined ? undefined : `${props.label} (${props.keys})`}
      onClick={props.onClick}
    >
      <ActionIcon name={props.icon} />
      {props.label}
    </button>
  );
}

function Proposal(props: { model: Model; node: TreeNode; doing: string }): JSX.Element {
  const { model, node, doing } = props;
  const t = model.trans;
  const proposal = node.id;
  const estimate = estimateText(model.info?.pending?.estimate ?? node.estimate);
  const { jumpToCell } = model.host;
  const edited = editedOf(model, proposal);
  if (doing === 'edit' && node.cut.code === undefined) {
    return (
      <Editor
        model={model}
        label={t('Your version of the cell; the model is shown what you changed')}
        text={edited ?? node.code}
        verb={t('Run this')}
        code
        onSend={(code) =>
          void model.steer(
            code === node.code ? { type: 'approve', proposal } : { type: 'edit', proposal, code },
          )
        }
        onCancel={() => stop(model)}
      />
    );
  }
  if (doing === 'reject') {
    return (
      <Editor
        model={model}
        label={t('Why not? The model is told')}
        text=""
        verb={t('Reject')}
        optional
        onSend={(reason) => void model.steer({ type: 'reject', proposal, reason })}
        onCancel={() => stop(model)}
      />
    );
  }
  if (doing === 'respond') {
    return (
      <Editor
        model={model}
        label={t('What the model is to see instead of the cell’s output')}
        text=""
        verb={t('Respond')}
        onSend={(text) => void model.steer({ type: 'respond', proposal, text })}
        onCancel={() => stop(model)}
      />
    );
  }
  const begin = (what: string) => () => model.begin(what, node.id);
  return (
    <div class="rlm-decide">
      <p>
        <b>{t('This cell waits for you.')}</b> {estimate}
      </p>
      <div class="rlm-buttons">
        <Button
          primary
          icon="play"
          label={edited === undefined ? t('Run') : t('Run edited')}
          keys="A"
          onClick={() => approve(model)}
        />
        {node.cut.code === undefined && (
          <Button icon="pencil" label={t('Edit')} keys="E" onClick={begin('edit')} />
        )}
        <Button icon="cross" label={t('Reject…')} keys="R" onClick={begin('reject')} />
        <Button icon="back" label={t('Respond…')} onClick={begin('respond')} />
        {jumpToCell !== undefined && model.run !== null && (
          <Button
            icon="cell"
            label={t('Go to cell')}
            onClick={() => jumpToCell.call(model.host, model.run as string, node.id)}
          />
        )}
      </div>
    </div>
  );
}

function Asking(props: { model: Model; asking: AskInfo; doing: string }): JSX.Element {
  const { model, asking, doing } = props;
  const t = model.trans;
  const proposal = asking.ask;
  if (doing === 'refuse') {
    return (
      <Editor
        model={model}
        label={t('Why not? The model is told')}
        text=""
        verb={t('Refuse')}
        optional
        onSend={(reason) => void model.steer({ type: 'reject', proposal, reason })}
        onCancel={() => stop(model)}
      />
    );
  }
  return (
    <div class="rlm-decide">
      <p>
        <b>{t('Calls wait to be allowed.')}</b> {estimateText({ ...asking })}
        {asking.line !== null && ` · ${t('line %1', asking.line)}`}
        {asking.reason !== '' && <span class="rlm-hint"> {clean(asking.reason)}</span>}
      </p>
      <div class="rlm-buttons">
        <Button primary icon="check" label={t('Allow')} keys="A" onClick={() => approve(model)} />
        <Button
          icon="cross"
          label={t('Refuse…')}
          keys="R"
          onClick={() => model.begin('refuse', asking.cell)}
        />
      </div>
    </div>
  );
}

function Call(props: { model: Model; node: TreeNode; doing: string }): JSX.Element {
  const { model, node, doing } = props;
  const t = model.trans;
  const asked = node.role === 'human';
  const person = asked || isModel(node);
  const answer = (text: string) => void model.steer({ type: 'answer', node: node.id, text });
  const code = person && node.role === 'root';
  const { choices } = node;
  if (doing === 'answer' || (person && choices.length === 0)) {
    return (
      <div class={person && !asked ? 'rlm-decide' : undefined}>
        <Editor
          key={node.id}
          model={model}
          label={
            asked
              ? t('Your answer')
              : person
                ? code
                  ? t('You are the model. Your reply: a cell (Python), or FINAL(…)')
                  : t('You are the model. Your reply to this prompt:')
                : t('The answer, by hand, instead of the model’s')
          }
          text=""
          verb={person && !asked ? t('Reply') : t('Answer')}
          code={code}
          quiet={doing !== 'answer' && model.isOffered}
          onSend={(text) => {
            model.replying = person;
            answer(person && !asked ? asReply(node, text) : text);
          }}
          onCancel={() => (person ? model.showDetails(false) : stop(model))}
        />
      </div>
    );
  }
  return (
    <div class="rlm-decide">
      {asked && (
        <p>
          <b>{t('The run asks you.')}</b>
        </p>
      )}
      <div class="rlm-buttons">
        {choices.map((choice) => (
          <button class="rlm-button" key={choice} onClick={() => answer(choice)}>
            {clean(choice)}
          </button>
        ))}
        {!person && (
          <Button
            icon="again"
            label={t('Retry')}
            onClick={() => void model.steer({ type: 'retry', node: node.id })}
          />
        )}
        {choices.length === 0 && (
          <Button
            icon="pencil"
            label={t('Answer by hand')}
            onClick={() => model.begin('answer', node.id)}
          />
        )}
        <Cancel model={model} node={node} what={t('Cancel the call')} />
      </div>
    </div>
  );
}

function Cancel(props: { model: Model; node: TreeNode; what: string }): JSX.Element {
  const { model, node, what } = props;
  return (
    <Button
      icon="stop"
      label={what}
      keys="X"
      onClick={() => void model.steer({ type: 'cancel', node: node.id })}
    />
  );
}
