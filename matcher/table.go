package matcher

import "math/bits"

// table is a hash table of arena records, chained through the high half of
// their first word. It grows by one bucket at a time (linear hashing, Litwin
// 1980): no insertion ever pays for a rehash of everything, and where the
// budget has no room for more buckets the chains get longer instead.
type table struct {
	heads   vector // two buckets to a word
	buckets uint32
	count   uint32
	mask    uint32                // buckets rounded up to a power of two, minus one
	hash    func(r uint32) uint64 // of a record in the table
}

// maxBuckets keeps bucket numbers in 31 bits; the arena ends earlier.
const maxBuckets = 1 << 31

func (t *table) init(a *arena, hash func(r uint32) uint64) error {
	t.hash = hash
	if err := t.heads.grow(a); err != nil {
		return err
	}
	t.buckets = 1
	a.w[t.heads.at(0)] = 0
	return nil
}

func (t *table) bucket(h uint64) uint32 {
	i := uint32(h) & t.mask
	if i >= t.buckets {
		i &= t.mask >> 1
	}
	return i
}

func (t *table) head(a *arena, i uint32) uint32 {
	return uint32(a.w[t.heads.at(i>>1)] >> (i & 1 * 32))
}

func (t *table) setHead(a *arena, i, r uint32) {
	p := t.heads.at(i >> 1)
	if i&1 == 0 {
		a.w[p] = withLow(a.w[p], r)
	} else {
		a.w[p] = withHigh(a.w[p], r)
	}
}

// first returns the first record of the chain that holds hash h.
func (t *table) first(a *arena, h uint64) uint32 { return t.head(a, t.bucket(h)) }

// add never fails.
func (t *table) add(a *arena, h uint64, r uint32) {
	if t.count >= t.buckets {
		t.split(a)
	}
	i := t.bucket(h)
	a.w[r] = withHigh(a.w[r], t.head(a, i))
	t.setHead(a, i, r)
	t.count++
}

func (t *table) remove(a *arena, h uint64, r uint32) {
	i := t.bucket(h)
	next := high(a.w[r])
	t.count--
	p := t.head(a, i)
	if p == r {
		t.setHead(a, i, next)
		return
	}
	for high(a.w[p]) != r {
		p = high(a.w[p])
	}
	a.w[p] = withHigh(a.w[p], next)
}

// split adds one bucket and moves to it what belongs there.
func (t *table) split(a *arena) {
	if t.buckets == maxBuckets {
		return
	}
	if t.buckets>>1 >= t.heads.words && t.heads.grow(a) != nil {
		return
	}
	i := t.buckets
	from := i &^ (1 << (bits.Len32(i) - 1))
	t.buckets++
	t.mask = 1<<bits.Len32(i) - 1
	p := t.head(a, from)
	t.setHead(a, from, 0)
	t.setHead(a, i, 0)
	for p != 0 {
		next := high(a.w[p])
		to := t.bucket(t.hash(p))
		a.w[p] = withHigh(a.w[p], t.head(a, to))
		t.setHead(a, to, p)
		p = next
	}
}
