/** The plugin by which a configuration says that endpoints come out of a file. */
import { z } from "zod";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface FileDiscoveryParameters {
  readonly path: string;
  readonly watchFile: boolean;
}

export const fileDiscovery: PluginDefinition<FileDiscoveryParameters> = {
  type: "file-discovery",
  stability: "stable",
  summary: "Reads the endpoints from a file instead of Kubernetes.",
  facets: ["discovery"],
  parameters: z.strictObject({
    path: z.string().min(1, "must be the path of a YAML or JSON file").describe("Path of the file."),
    watchFile: z.boolean().default(false).describe("Read the file again when it changes."),
  }),
  create: ({ path, watchFile }) => ({ discovery: { kind: "file", path, watches: watchFile } }),
};
