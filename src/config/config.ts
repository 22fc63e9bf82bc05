/**
 * The shape of an EndpointPickerConfig as the scheduler uses it: plugin instances, and profiles that refer to them.
 * Names and meaning are those of the Go picker's `llm-d.ai/v1alpha1`.
 */

export interface PluginInstance {
  readonly name: string;
  readonly type: string;
  /** As written; the plugin's own schema checks it. */
  readonly parameters: unknown;
}

export interface ProfilePlugin {
  /** Name of a plugin instance. */
  readonly pluginRef: string;
  /** Multiplies a scorer's score; without meaning for other kinds. */
  readonly weight?: number;
}

export interface SchedulingProfile {
  readonly name: string;
  readonly plugins: readonly ProfilePlugin[];
}

export interface EndpointPickerConfig {
  readonly plugins: readonly PluginInstance[];
  readonly schedulingProfiles: readonly SchedulingProfile[];
}
