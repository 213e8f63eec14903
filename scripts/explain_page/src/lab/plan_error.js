/** What a reader asked for and cannot have, in a sentence for them. */
export class PlanError extends Error {
  isForReader = true;
}
