package matcher

// retired is an object that readers of epochs before epoch may still see.
type retired struct {
	ref   uint32
	epoch uint64
}

// change is a word of a writer's table before a transaction changed it.
type change struct {
	word uint32
	old  uint64
}

// tx is the one open transaction of the writer. Objects are never changed once
// readers can see them: a transaction makes new ones, and commit publishes them
// with a single store of the root. As long as there are no readers at all, it
// changes pages, clusters and the root where they are. Until commit, abandon
// undoes everything: it frees what was made and restores the words that were
// changed.
type tx struct {
	fresh   []uint32 // made here
	dropped []uint32 // replaced here, visible to readers
	undo    []change
	ids     [idTables]idState
	run     run // of handles, before
	runAt   uint32
	root    root
	op      string
	frugal  bool // nothing is made that is not needed
	alone   bool // there are no readers, and none come before it ends
}

const idTables = 4

// root is what a reader starts from, and what is counted.
type root struct {
	names, strings, clusters uint32 // HAMTs
	ranges                   uint32 // the cluster of filters without equality, 0 if there are none
	version                  uint32 // changes whenever what a name resolves to does
	subs, lanes              uint32 // subscriptions; filters stored, one for each place of each conjunction
	nameCount, stringCount   uint32
	clusterCount, blockCount uint32
	pageCount                uint32
}

const (
	rootHalves = 12
	rootWords  = 1 + rootHalves/2
)

// Where what readers need is in a root.
const (
	rootNames    = 0
	rootClusters = 2
	rootRanges   = 3
	rootVersion  = 4
	rootLanes    = 6
)

func (s *Store) rootAt(p uint32) *[rootHalves]uint32 {
	return (*[rootHalves]uint32)(s.a.h[2*p+2:])
}

func (s *Store) readRoot(p uint32) root {
	h := s.rootAt(p)
	return root{h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11]}
}

func (s *Store) writeRoot(p uint32, r *root) {
	*s.rootAt(p) = [rootHalves]uint32{
		r.names, r.strings, r.clusters, r.ranges, r.version, r.subs, r.lanes,
		r.nameCount, r.stringCount, r.clusterCount, r.blockCount, r.pageCount,
	}
}

// make allocates an object of n words, the arena's word included. What it holds
// is undefined.
func (s *Store) make(n uint32, of class) (uint32, error) {
	p, err := s.a.alloc(n, of)
	if err != nil {
		return 0, err
	}
	s.made(p)
	return p, nil
}

// makeAt is make in the zone of the page that is being changed, if it has room.
func (s *Store) makeAt(home, n uint32, of class) (uint32, error) {
	if p := s.a.allocIn(home, n, of); p != 0 {
		s.made(p)
		return p, nil
	}
	return s.make(n, of)
}

func (s *Store) made(p uint32) {
	w := &s.a.w[s.a.at(p)]
	*w = withHigh(*w, uint32(len(s.tx.fresh)))
	s.tx.fresh = append(s.tx.fresh, p)
}

func (s *Store) isFresh(p uint32) bool {
	s.a.stay(p)
	i := high(s.a.w[s.a.at(p)])
	return i < uint32(len(s.tx.fresh)) && s.tx.fresh[i] == p
}

// inPlace reports whether an object may be changed: no reader can see it.
func (s *Store) inPlace(p uint32) bool { return s.tx.alone || s.isFresh(p) }

// edit changes the word at a place within an object that may be changed in place.
func (s *Store) edit(p, at uint32, v uint64) {
	s.a.setDirty(p)
	if !s.isFresh(p) && s.a.w[at] != v { // abandon frees what is fresh, whatever it holds; drop may have, before
		s.tx.undo = append(s.tx.undo, change{at - s.a.at(p) + p, s.a.w[at]})
	}
	s.a.w[at] = v
}

func (s *Store) editHalf(p, half uint32, v uint32) {
	x := s.a.w[half/2]
	if half%2 == 0 {
		s.edit(p, half/2, withLow(x, v))
	} else {
		s.edit(p, half/2, withHigh(x, v))
	}
}

func (s *Store) editByte(p uint32, at int, v byte) {
	shift := at % wordBytes * 8
	x := s.a.w[at/wordBytes]
	s.edit(p, uint32(at/wordBytes), x&^(0xff<<shift)|uint64(v)<<shift)
}

// drop gives up an object: at once if no reader can have seen it, otherwise when
// the last reader that may has gone.
func (s *Store) drop(p uint32) {
	if p == 0 {
		return
	}
	if !s.isFresh(p) {
		s.tx.dropped = append(s.tx.dropped, p)
		return
	}
	i, last := high(s.a.w[s.a.at(p)]), len(s.tx.fresh)-1
	q := s.tx.fresh[last]
	s.tx.fresh[i] = q
	s.a.setDirty(q)
	w := &s.a.w[s.a.at(q)]
	*w = withHigh(*w, i)
	s.tx.fresh = s.tx.fresh[:last]
	s.a.free(p)
}

// dropLate gives up an object whose words the transaction may have to restore.
func (s *Store) dropLate(p uint32) { s.tx.dropped = append(s.tx.dropped, p) }

// set changes a word that only the writer reads.
func (s *Store) set(word uint32, v uint64) {
	if s.a.w[word] == v {
		return
	}
	s.tx.undo = append(s.tx.undo, change{word, s.a.w[word]})
	s.a.w[word] = v
}

func (s *Store) begin(op string) {
	s.tx.op, s.tx.frugal = op, false
	s.readersLock.Lock()
	if s.tx.alone = len(*s.readers.Load()) == 0; !s.tx.alone {
		s.readersLock.Unlock()
	}
	s.a.prepare(s.tables())
	s.tx.fresh, s.tx.dropped, s.tx.undo = s.tx.fresh[:0], s.tx.dropped[:0], s.tx.undo[:0]
	s.tx.root = s.readRoot(s.root.Load())
	for i, t := range s.tables() {
		s.tx.ids[i] = t.idState
	}
	s.tx.run = s.runs[s.tx.runAt]
}

func (s *Store) tables() [idTables]*ids {
	return [idTables]*ids{&s.handles, &s.blocks, &s.pages, &s.clusters}
}

// commit publishes the transaction. It fails only if there is no room for the
// root, and then nothing has changed.
func (s *Store) commit() error {
	p := s.root.Load()
	if !s.tx.alone {
		q, err := s.make(rootWords, classIndex)
		if err != nil {
			return err
		}
		s.drop(p)
		p = q
	}
	s.writeRoot(p, &s.tx.root)
	s.root.Store(p)
	epoch := s.epoch.Add(1)
	for _, p := range s.tx.dropped {
		s.limbo = append(s.limbo, retired{p, epoch})
	}
	s.tx.fresh = s.tx.fresh[:0]
	if s.tx.alone {
		s.reclaim()
		s.compact(s.work.home)
		s.a.shrink(s.work.home)
	}
	s.end()
	s.reclaim()
	return nil
}

// end lets readers in that a transaction may have kept out.
func (s *Store) end() {
	s.a.closeUnused()
	if s.tx.alone {
		s.tx.alone = false
		s.readersLock.Unlock()
	}
}

// abandon undoes the transaction.
func (s *Store) abandon() {
	for i := len(s.tx.undo) - 1; i >= 0; i-- {
		s.a.setDirty(s.tx.undo[i].word)
		s.a.w[s.a.at(s.tx.undo[i].word)] = s.tx.undo[i].old
	}
	for _, p := range s.tx.fresh {
		s.a.free(p)
	}
	s.tx.fresh = s.tx.fresh[:0]
	for i, t := range s.tables() {
		t.idState = s.tx.ids[i]
	}
	s.runs[s.tx.runAt] = s.tx.run
	s.end()
}

// reclaim frees the retired objects that no reader can see any more.
func (s *Store) reclaim() {
	if len(s.limbo) == s.limboHead {
		return
	}
	oldest := s.oldestReader()
	for s.limboHead < len(s.limbo) && s.limbo[s.limboHead].epoch <= oldest {
		s.a.free(s.limbo[s.limboHead].ref)
		s.limboHead++
	}
	switch {
	case s.limboHead == len(s.limbo):
		s.limbo, s.limboHead = s.limbo[:0], 0
	case s.limboHead > len(s.limbo)/2:
		s.limbo = s.limbo[:copy(s.limbo, s.limbo[s.limboHead:])]
		s.limboHead = 0
	}
}
