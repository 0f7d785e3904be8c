package matcher

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/scbr/scbr/matcher/filter"
)

// Handle names one subscription of a Store. It is never 0. After Remove the
// number may be handed out again, so an owner forgets it then.
type Handle uint32

// Config parameterises a Store.
type Config struct {
	// Seed keys the hash tables. It has to be random and secret where
	// subscribers or publishers are not trusted: whoever knows it can make
	// filters fall together.
	Seed uint64
	// MaxPerOwner bounds the subscriptions of one owner, which is the upper half
	// of a tag; 0 is no bound.
	MaxPerOwner uint32
	// Spill lets zones move out of memory where the budget has no room for all. The
	// Memory has to be Outside, and there can be no Reader.
	Spill bool
	// BatchTags is how many tags MatchBatch may gather, of 8 bytes each on the Go heap;
	// 0: a million.
	BatchTags int
}

// Stats describes a Store. The counters run since it was made.
type Stats struct {
	Subscriptions int
	Filters       int    // filters held: one for each conjunction and value it is indexed by
	Clusters      int    // values in the equality index
	Pages         int    // of blocks
	Blocks        int    // of up to 64 filters
	Names         int    // distinct attribute names
	Strings       int    // distinct strings and constraint lists in filters
	Bytes         int64  // committed memory
	Used          int64  // of which, and of what is spilled, is in use
	Budget        int64  // what Memory says, or else its reservation
	Memory        Usage  // where Bytes and Spilled are
	Zones         int    // heaps of clusters
	Spilled       int64  // bytes kept outside
	Fetches       uint64 // zones brought back
	Spills        uint64 // zones moved out
	Seals         uint64 // of which had changed since they were outside last
	MatchBlocks   uint64 // blocks and pages that Match and readers looked into, 64 filters at a time
	MatchTests    uint64 // filters that they had to look at one by one
	CoverBlocks   uint64 // the same of Covered, Containers and Roots
	CoverTests    uint64
	Compactions   uint64 // zones whose holes were closed
	Moved         uint64 // filters that Insert and Remove moved, at most MaxMoved for each place of the filter
}

// Usage says what the memory of a Store holds, in bytes, outside or not.
type Usage struct {
	Rows         int64 // what the kernel scans: cells of filters, bounds and scales of pages
	Records      int64 // tags, exact ends and handles of filters
	Dictionaries int64 // names, strings, lists of constraints
	Owners       int64 // what leads to filters: clusters, tables of handles, parts of disjunctions
	Free         int64 // holes and unused ends of zones
}

// MaxMoved is how many filters an insertion or a removal moves at most, for each
// place that the filter is indexed by: the two pages that a full one becomes, or
// that become one, and the blocks that were divided before. A conjunction has one
// place, or one for each value of an IN of up to 16; a filter has at most 64.
const MaxMoved = 2 * (pageBlocks + 16) * blockLanes

// Toucher is a Memory that wants to know what Match reads: n bytes from an
// offset on.
type Toucher interface {
	Touch(off, n int)
}

// Store holds subscriptions. All of it is in the Memory; the Go heap holds this
// struct and scratch, whose size does not depend on the subscriptions, except
// for a hundred bytes for each zone, a thousandth of what is in it, and for a count
// for each owner where Config.MaxPerOwner is set.
//
// A Store has one writer at a time, who may call everything. Others match
// concurrently, each with a Reader of its own.
type Store struct {
	a        arena
	hash     hasher
	handles  ids
	runs     [handleRuns]run
	blocks   ids
	pages    ids
	clusters ids
	root     atomic.Uint32
	epoch    atomic.Uint64
	tx       tx

	limbo       []retired
	limboHead   int
	readersLock sync.Mutex
	readers     atomic.Pointer[[]*Reader]
	own         Reader // the writer's

	maxPerOwner uint32
	owners      map[uint32]uint32

	maxBlock, maxPage, maxCluster uint32                // words of the largest objects so far
	maxPath                       uint32                // and of the nodes that lead to a leaf
	maxRanges                     uint32                // the cluster without equality, with its bounds
	wholes                        [maxPlaces + 1]uint32 // subscriptions by their number of places
	portable                      bool                  // the kernel in Go
	toucher                       Toucher
	stats                         Stats // counters only
	work                          work
}

// work is the writer's scratch.
type work struct {
	draft, second draft
	fitted        dict
	lanes         []*lane
	pool          []*lane // of lanes, as many as were needed so far
	lane          lane
	rows          []row
	terms         []term
	names         []uint32
	left          int // conjunctions that have no place yet
	parts         []part
	list          []byte
	ends          []float64
	attrEnds      [slots][]float64
	query         query
	asked         []term
	batch         batch
	home          uint32 // the zone of the page that is being changed
}

// New returns an empty Store that lives in mem, which nobody else may touch
// from now on.
func New(mem Memory, cfg Config) (*Store, error) {
	region := mem.Region()
	region = region[:min(len(region), maxRegion)&^(wordBytes-1)]
	if len(region) < MemoryPage || uintptr(unsafe.Pointer(&region[0]))%wordBytes != 0 { // #nosec G103 -- alignment
		return nil, &Error{Op: "new", Kind: BadMemory}
	}
	s := &Store{hash: newHasher(cfg.Seed), maxPerOwner: cfg.MaxPerOwner, portable: !hasAVX2()}
	if cfg.MaxPerOwner > 0 {
		s.owners = map[uint32]uint32{}
	}
	var out Outside
	if cfg.Spill {
		if out, _ = mem.(Outside); out == nil {
			return nil, &Error{Op: "new", Kind: BadMemory}
		}
	}
	var err error
	if s.a, err = newArena(mem, out, region); err != nil {
		return nil, err
	}
	s.toucher, _ = mem.(Toucher)
	if s.work.batch.limit = cfg.BatchTags; cfg.BatchTags <= 0 {
		s.work.batch.limit = defaultBatchTags
	}
	s.handles.half, s.clusters.half = true, true
	s.own.s = s
	s.readers.Store(&[]*Reader{})
	p, err := s.make(rootWords, classIndex)
	if err != nil {
		return nil, err
	}
	s.writeRoot(p, &root{})
	s.root.Store(p)
	return s, nil
}

func view(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b)) // #nosec G103 -- valid while b is unchanged
}

// Match appends to dst the tag of each subscription whose filter matches e, in
// no particular order. It is for the writer; others have a Reader.
func (s *Store) Match(e *filter.Event, dst []uint64) []uint64 {
	dst = s.own.match(s.root.Load(), e, dst)
	s.stats.MatchBlocks += s.own.blocks
	s.stats.MatchTests += s.own.tests
	s.own.blocks, s.own.tests = 0, 0
	return dst
}

// Stats describes the Store. It is for the writer.
func (s *Store) Stats() Stats {
	st, r := s.stats, s.readRoot(s.root.Load())
	st.Subscriptions, st.Filters, st.Clusters = int(r.subs), int(r.lanes), int(r.clusterCount)
	st.Pages, st.Blocks, st.Names, st.Strings = int(r.pageCount), int(r.blockCount), int(r.nameCount), int(r.stringCount)
	s.a.describe(&st)
	st.Budget = budgetOf(s.a.mem, len(s.a.b))
	return st
}
