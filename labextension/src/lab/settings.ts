/** The person's settings, with what holds where there is no settings registry. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { type ISignal, Signal } from '@lumino/signaling';

/** What can be set; the schema says what each means. */
export interface Values {
  openPanel: boolean;
  confirmStop: boolean;
  showHeaders: boolean;
  density: 'auto' | 'compact';
  hintSeen: boolean;
}

const DEFAULTS: Values = {
  openPanel: true,
  confirmStop: true,
  showHeaders: true,
  density: 'auto',
  hintSeen: false,
};

/** Settings as they are now. */
export class Settings {
  values: Values = { ...DEFAULTS };

  /** They were changed. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** Follow the registry. */
  async load(registry: ISettingRegistry, plugin: string): Promise<void> {
    const settings = await registry.load(plugin);
    const take = (): void => {
      const found = settings.composite as Partial<Values>;
      this.values = { ...DEFAULTS, ...found };
      this.signal.emit();
    };
    settings.changed.connect(take);
    this.save = (name, value): void => void settings.set(name, value).catch(() => undefined);
    take();
  }

  /** Change one for good. */
  set<K extends keyof Values>(name: K, value: Values[K]): void {
    this.values = { ...this.values, [name]: value };
    this.save(name, value);
    this.signal.emit();
  }

  private save: (name: string, value: string | boolean) => void = () => undefined;
  private readonly signal = new Signal<this, void>(this);
}
