/** Ring: workflows. What Temporal's bundler starts from: each export is a workflow type, and its name is part of every history. */
export { evaluation } from './evaluation.ts'
export { jobset, jobsetTrigger } from './jobset.ts'
export { node } from './node.ts'
export { notification } from './notification.ts'
