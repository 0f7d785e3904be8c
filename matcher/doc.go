// Package matcher finds the subscriptions whose filter an event satisfies. It
// is a containment poset with an equality index at its roots, held entirely in
// a pointer-free arena behind the [Memory] interface; DESIGN.md says how and
// why.
//
// Filters and events come from clients and may be hostile. The package promises
// the exact answer for all of them, whatever their order and number: each
// insertion and removal compares at most InsertBudget filters, and what does not
// fit the budget of memory is refused without a change. It does not bound the
// time of Match, Covered and the relinking in a removal, which are linear where
// filters are incomparable (DESIGN.md counts it): the number of subscriptions
// does. It knows no owners: whoever may remove a handle is the caller's business.
//
// It does no I/O, reads no clock, draws no randomness, starts no goroutine and
// does not log. Its hash tables are keyed by Config.Seed; against somebody who
// knows the seed it promises right answers but not fast ones.
package matcher
