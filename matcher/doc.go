// Package matcher finds the subscriptions whose filter an event satisfies. It
// is a containment poset with an equality index, held entirely in a
// pointer-free arena behind the [Memory] interface; docs/MATCHER.md says how and why.
//
// Filters and events come from clients and may be hostile. The package promises
// the exact answer for all of them, whatever their order and number; that an
// insertion of one conjunction, and a removal, moves at most MaxMoved filters;
// and that what does not fit the budget of memory, or an owner's quota, is
// refused without a change. Readers see the state of one moment, without a lock.
// It does not bound the time of Match and Covered, which are linear where filters
// are incomparable, 64 of them at a time. Whoever may remove a handle is the
// caller's business.
//
// It does no I/O, reads no clock, draws no randomness, starts no goroutine and
// does not log. Its hash tables are keyed by Config.Seed; against somebody who
// knows the seed it promises right answers but not fast ones.
package matcher
