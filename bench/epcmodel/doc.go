// Package epcmodel is a model of an enclave page cache: a trace of touched pages
// goes through FIFO, CLOCK or LRU of a given number of pages, and what comes out
// are numbers of faults, loads and evictions. It needs no hardware and no
// operating system, and the same trace always gives the same numbers.
//
// A page is a number, and its first touch is a fault, as it is where memory is
// handed out on demand. Under FIFO and CLOCK the counts are those of package
// enclave/epc/pager on the same trace of one thread. The pager sees no reads of
// resident pages; it samples CLOCK's reference bits by taking a page's mapping
// away, so that the next access is a minor fault. Without Config.Sampled the
// model does that itself: the first touch after a bit was cleared sets it and
// counts in Minor. With it, a bit is set by [Model.Reference] alone, and bits
// recorded elsewhere can be fed in.
//
// The caller may give any trace; a Model grows by 12 bytes for each page up to
// the highest one touched. It promises exact counts and says nothing about time:
// what a fault costs is for whoever measures it. A Model belongs to one
// goroutine.
package epcmodel
