package workload

import (
	"crypto/sha512"
	"math/bits"
)

// Parameters of MT19937 and of its initialisation, as printed by Matsumoto and Nishimura (ACM TOMACS 8(1), 1998, and the
// revised initialisation of 2002).
const (
	mtWords      = 624
	mtMiddle     = 397
	mtTwist      = 0x9908b0df
	mtTopBit     = 0x80000000
	mtTemperB    = 0x9d2c5680
	mtTemperC    = 0xefc60000
	mtFirstSeed  = 19650218
	mtFirstMul   = 1812433253
	mtArrayMul   = 1664525
	mtArrayMul2  = 1566083941
	smallSetSize = 21 // CPython's size of a small set less that of an empty list
)

// mersenne draws what CPython's random.Random draws: the generator is MT19937, and the methods take as many words from it,
// in the same order, as CPython 3.2 and later do.
type mersenne struct {
	state [mtWords]uint32
	next  int // mtWords: the state is used up
}

// newMersenne is Random(seed) for an integer that fits one word.
func newMersenne(seed uint32) *mersenne { return newMersenneKey([]uint32{seed}) }

// newMersenneText is Random(seed) for a text: its bytes and their SHA-512 are one big-endian number.
func newMersenneText(seed string) *mersenne {
	sum := sha512.Sum512([]byte(seed))
	number := append([]byte(seed), sum[:]...)
	key := make([]uint32, (len(number)+3)/4)
	for i, b := range number {
		place := len(number) - 1 - i
		key[place/4] |= uint32(b) << (8 * (place % 4))
	}
	for len(key) > 1 && key[len(key)-1] == 0 {
		key = key[:len(key)-1]
	}
	return newMersenneKey(key)
}

// newMersenneKey seeds from a number's words, the lowest first.
func newMersenneKey(key []uint32) *mersenne {
	m := &mersenne{next: mtWords}
	s := &m.state
	s[0] = mtFirstSeed
	for i := 1; i < mtWords; i++ {
		s[i] = mtFirstMul*(s[i-1]^s[i-1]>>30) + uint32(i)
	}
	i, j := 1, 0
	step := func() {
		if i++; i == mtWords {
			s[0], i = s[mtWords-1], 1
		}
	}
	for range max(mtWords, len(key)) {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*mtArrayMul) + key[j] + uint32(j)
		step()
		j = (j + 1) % len(key)
	}
	for range mtWords - 1 {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*mtArrayMul2) - uint32(i)
		step()
	}
	s[0] = mtTopBit
	return m
}

func (m *mersenne) refill() {
	s := &m.state
	for i := range s {
		y := s[i]&mtTopBit | s[(i+1)%mtWords]&^mtTopBit
		s[i] = s[(i+mtMiddle)%mtWords] ^ y>>1 ^ (y&1)*mtTwist
	}
	m.next = 0
}

// word draws 32 bits.
func (m *mersenne) word() uint32 {
	if m.next == mtWords {
		m.refill()
	}
	y := m.state[m.next]
	m.next++
	y ^= y >> 11
	y ^= y << 7 & mtTemperB
	y ^= y << 15 & mtTemperC
	return y ^ y>>18
}

// random draws from [0, 1) with 53 bits.
func (m *mersenne) random() float64 {
	high, low := m.word()>>5, m.word()>>6
	return float64(uint64(high)<<26|uint64(low)) / (1 << 53)
}

// randrange draws from [0, n). n is 1..2^32-1.
func (m *mersenne) randrange(n int) int {
	shift := 32 - bits.Len32(uint32(n))
	for {
		if x := int(m.word() >> shift); x < n {
			return x
		}
	}
}

// randint draws from [low, high].
func (m *mersenne) randint(low, high int) int { return low + m.randrange(high-low+1) }

// shuffle permutes x.
func (m *mersenne) shuffle(x []int) {
	for i := len(x) - 1; i > 0; i-- {
		j := m.randrange(i + 1)
		x[i], x[j] = x[j], x[i]
	}
}

// sample draws k different numbers from [0, n), in the order of selection. As in CPython, a small n is drawn from a pool that
// shrinks and a large one by drawing again what was drawn before, and the limit between them follows the size of a set.
func (m *mersenne) sample(n, k int) []int {
	limit := smallSetSize
	if k > 5 {
		table := 1
		for table < 3*k {
			table *= 4
		}
		limit += table
	}
	if n <= limit {
		return m.samplePool(n, k)
	}
	drawn := make(map[int]bool, k)
	picked := make([]int, 0, k)
	for len(picked) < k {
		if x := m.randrange(n); !drawn[x] {
			drawn[x] = true
			picked = append(picked, x)
		}
	}
	return picked
}

func (m *mersenne) samplePool(n, k int) []int {
	pool := make([]int, n)
	for i := range pool {
		pool[i] = i
	}
	picked := make([]int, k)
	for i := range picked {
		last := n - 1 - i
		j := m.randrange(last + 1)
		picked[i] = pool[j]
		pool[j] = pool[last]
	}
	return picked
}

// choice draws one element of x, which is not empty.
func choice[T any](m *mersenne, x []T) T { return x[m.randrange(len(x))] }
