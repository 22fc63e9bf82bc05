/** The methods of the `Kernel` interface in `src/wasm/kernel.ts`, read from its text. */

export interface KernelMethod {
  readonly name: string;
  readonly parameterCount: number;
}

export function kernelMethods(source: string): KernelMethod[] {
  const body = /export interface Kernel \{\n(.*?)\n\}/s.exec(source)?.[1];
  if (body === undefined) throw new Error("src/wasm/kernel.ts declares no interface Kernel");
  const methods = body.matchAll(/^ {2}(\w+)\(([^)]*)\):/gm);
  return [...methods].map(([, name = "", parameters = ""]) => ({
    name,
    parameterCount: parameters.split(",").filter((parameter) => parameter.trim() !== "").length,
  }));
}
