/**
 * `assembly/layout.ts` is compiled twice: by AssemblyScript into the kernel, and by TypeScript, for which this type is
 * a number.
 */
declare type u32 = number;
