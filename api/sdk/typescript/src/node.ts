export * from "./index.js";
export { FileStorage } from "./file_storage.js";
