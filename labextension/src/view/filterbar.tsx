import type { JSX } from 'preact';
import { clean, plural } from '../core/format.js';
import { choices, type Filter, isEmpty, NO_FILTER } from '../core/filter.js';
import type { RunTree } from '../core/tree.js';
import { ActionIcon } from './icons.js';
import type { Model } from './model.js';

const ONLY: readonly (readonly [Filter['only'], string])[] = [
  ['', 'all'],
  ['errors', 'errors only'],
  ['slowest', 'slowest 10'],
  ['costliest', 'costliest 10'],
];

/** What is shown of the tree: words, a pattern, a status, a kind, a model, a cost. */
export function FilterBar(props: {
  model: Model;
  tree: RunTree;
  open: boolean;
  onOpen: (on: boolean) => void;
}): JSX.Element {
  const { model, tree, open, onOpen } = props;
  const { filter } = model;
  const t = model.trans;
  const set = (change: Partial<Filter>) => model.setFilter({ ...filter, ...change });
  const there = open ? choices(tree) : { statuses: [], kinds: [], models: [] };
  const rest = [filter.status, filter.kind, filter.model, filter.minCost ?? '', filter.only];
  const on = rest.filter((value) => value !== '').length;
  const escape = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === 'Escape') {
      model.setFilter(NO_FILTER);
      model.wantsFocus = true;
    } else if (event.key === 'Enter' || event.key === 'ArrowDown') {
      const first = model.rows.list.find((row) => !row.pale);
      model.select(first?.key ?? model.selected, true);
    }
  };
  return (
    <div class="rlm-filter">
      <span class="rlm-search">
        <ActionIcon name="search" />
        <input
          type="search"
          class="rlm-search-input"
          aria-label={t('Search: words, or /a pattern/')}
          placeholder={t('Search')}
          title={t('Search: words, or /a pattern/')}
          value={filter.text}
          onInput={(event) => set({ text: event.currentTarget.value })}
          onKeyDown={escape}
        />
      </span>
      <button
        class="rlm-quiet-button"
        aria-expanded={open}
        onClick={() => onOpen(!open)}
        title={t('More ways to filter')}
        aria-label={on > 0 ? `${t('Filter')} (${on})` : t('Filter')}
      >
        <ActionIcon name="filter" />
        <span class="rlm-tool-word">{t('Filter')}</span>
        {on > 0 ? ` (${on})` : ''}
      </button>
      {!isEmpty(filter) && (
        <>
          <span class="rlm-said" role="status">
            {model.matches === null
              ? ''
              : t('%1 of %2', plural(model.matches.matched.size, 'match', 'matches'), tree.size)}
          </span>
          <button class="rlm-quiet-button" onClick={() => model.setFilter(NO_FILTER)}>
            {t('Clear')}
          </button>
        </>
      )}
      {model.matcher !== null && model.matcher.trouble !== '' && (
        <span class="rlm-trouble">{clean(model.matcher.trouble)}</span>
      )}
      {open && (
        <div class="rlm-filter-more">
          <span class="rlm-segments" role="group" aria-label={t('Show')}>
            {ONLY.map(([only, words]) => (
              <button key={only} aria-pressed={filter.only === only} onClick={() => set({ only })}>
                {t(words)}
              </button>
            ))}
          </span>
          <Pick
            label={t('any status')}
            value={filter.status}
            from={there.statuses}
            say={t}
            set={(status) => set({ status })}
          />
          <Pick
            label={t('any kind')}
            value={filter.kind}
            from={there.kinds}
            say={t}
            set={(kind) => set({ kind })}
          />
          <Pick
            label={t('any model')}
            value={filter.model}
            from={there.models}
            set={(of) => set({ model: of })}
          />
          <label class="rlm-min">
            {t('costs at least')} $
            <input
              type="number"
              min="0"
              step="0.01"
              value={filter.minCost ?? ''}
              onInput={(event) => {
                const { value } = event.currentTarget;
                set({ minCost: value === '' ? null : Number(value) });
              }}
            />
          </label>
          <button class="rlm-quiet-button" onClick={() => model.toggleAll(true)}>
            {t('Open all')}
          </button>
          <button class="rlm-quiet-button" onClick={() => model.toggleAll(false)}>
            {t('Close all')}
          </button>
        </div>
      )}
    </div>
  );
}

function Pick(props: {
  label: string;
  value: string;
  from: string[];
  /** How a choice is said; as it is where it is a name. */
  say?: (one: string) => string;
  set: (value: string) => void;
}): JSX.Element {
  const { label, value, from, say = clean, set } = props;
  const options = value !== '' && !from.includes(value) ? [value, ...from] : from;
  return (
    <select aria-label={label} value={value} onChange={(event) => set(event.currentTarget.value)}>
      <option value="">{label}</option>
      {options.map((one) => (
        <option value={one} key={one}>
          {say(one)}
        </option>
      ))}
    </select>
  );
}
