// The handler alone, for a gate to stand in front of.
import { answering, serve } from "./answer.mjs";

await serve(answering());
