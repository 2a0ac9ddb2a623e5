/** Lets a test import the verifier's TypeScript: `import "./typescript.mjs"`, then import() it. */
import { register } from "tsx/esm/api";

register();
