// Package filter is the language of content-based routing: typed events, and
// filters over their attributes, with a text form, a normal form, covering and
// a canonical binary form.
//
// Everything here may come from somebody hostile: filter text, encoded filters
// and encoded events are checked against named limits before anything is
// allocated, and refused with a typed [Error] that carries a position and a
// kind but never the content.
//
// The package promises: two filters with the same normal form are the same
// value in memory, in text and in bytes; [Filter.Covers] is sound always, and
// exact between conjunctions of comparisons, IN, prefixes and EXISTS over the
// dense order of numbers; decoding accepts exactly what encoding produces. It
// does no I/O, reads no clock, draws no randomness and keeps no state.
//
// It does not promise that filters that match the same events have one normal
// form: the alternatives of a disjunction may be cut in several ways, and
// patterns are compared only as far as it is cheap.
//
// # Semantics
//
// An event is a set of attributes, each an int64, a float64, a string or a
// bool. Numbers compare exactly across int and float, so 9007199254740993 is
// not equal to any float. Numbers are a dense order: 4.5 satisfies `x > 4 AND
// x < 5` even where every other value seen is whole. Strings order by their
// bytes. Booleans have no order.
//
// Truth has three values, after Kleene. A predicate on an absent attribute, or
// on a value of another type than its own, is unknown; that includes != and NOT
// IN, and the negation of unknown is unknown. A list may mix types: IN is
// unknown for a value of a type that no member has. Only EXISTS is never
// unknown, and NOT EXISTS asks for absence. A filter matches what it is true for.
//
// A contradiction such as `x < 1 AND x > 2` is a valid filter, equal to FALSE,
// and matches nothing. The empty conjunction is TRUE and matches everything.
//
// The normal form is a disjunction of at most [MaxConjunctions] conjunctions,
// each with one [Constraint] for an attribute. What would take more is refused.
package filter
