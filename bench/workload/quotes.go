package workload

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	quotesName     = "A"
	quotesZipfName = "A-zipf"
)

// Streams of one seed: filters, events and, in A, the base prices do not disturb each other.
const (
	filterStream = 1
	eventStream  = 2
	baseStream   = 3
)

// The shape of workload A. Prices are in cents.
const (
	symbols     = 500
	exchanges   = 10
	maxVolume   = 1_000_000
	firstDate   = 20200101
	dates       = 1000
	maxRanges   = 3 // beside the symbol
	maxPercent  = 6 // width of a closed range, of the base price
	logPriceLow = 6.9
	logPriceAdd = 4.6 // base prices are log-uniform over a factor of e^4.6, about 100
)

// The attributes of workload A, by their numbers in its text.
const (
	quoteSymbol = iota
	quoteExch
	quoteOpen
	quoteHigh
	quoteLow
	quoteClose
	quoteVolume
	quoteDate
	quoteBid
	quoteAsk
	quoteChange
)

func quoteAttributes() []string {
	return []string{
		quoteSymbol: "symbol", quoteExch: "exch", quoteOpen: "open", quoteHigh: "high", quoteLow: "low", quoteClose: "close",
		quoteVolume: "volume", quoteDate: "date", quoteBid: "bid", quoteAsk: "ask", quoteChange: "change",
	}
}

// quotes is workload A: every filter names a symbol and one to three ranges on its prices or its volume. In A-zipf the
// symbols of events, and of events only, are of Zipf's popularity instead of a uniform one.
type quotes struct{ zipfEvent bool }

func (quotes) text() format { return newColumns(quoteAttributes(), quoteSymbol) }

// market is what the filters and events of one seed share.
type market struct {
	attrs   []string
	symbols []filter.Value
	base    []int // by symbol
}

func newMarket(seed uint64) *market {
	m := &market{attrs: quoteAttributes()}
	r := rand.New(rand.NewPCG(seed, baseStream))
	for i := range symbols {
		m.symbols = append(m.symbols, filter.String(fmt.Sprintf("S%03d", i)))
		// The conversion keeps the product from being fused with the sum, which would round differently on some machines.
		m.base = append(m.base, int(math.Exp(float64(r.Float64()*logPriceAdd)+logPriceLow))+1)
	}
	return m
}

// price draws a price within a tenth of the symbol's base price.
func (m *market) price(r *rand.Rand, symbol int) int {
	base := m.base[symbol]
	return base*9/10 + int(r.Float64()*float64(base)/5)
}

func (quotes) filters(seed uint64) nextFilter {
	m := newMarket(seed)
	r := rand.New(rand.NewPCG(seed, filterStream))
	ranged := []int{quoteOpen, quoteHigh, quoteLow, quoteClose, quoteVolume}
	return func(dst []filter.Predicate) []filter.Predicate {
		symbol := r.IntN(symbols)
		dst = append(dst, filter.Predicate{Attr: m.attrs[quoteSymbol], Op: filter.Eq, Value: m.symbols[symbol]})
		count := 1 + r.IntN(maxRanges)
		for _, x := range r.Perm(len(ranged))[:count] {
			if ranged[x] == quoteVolume {
				dst = append(dst, m.volumeRange(r))
			} else {
				dst = append(dst, m.priceRange(r, symbol, ranged[x]))
			}
		}
		return dst
	}
}

func (m *market) volumeRange(r *rand.Rand) filter.Predicate {
	p := filter.Predicate{Attr: m.attrs[quoteVolume], Op: filter.Le, Value: filter.Int(int64(r.IntN(maxVolume)))}
	if r.IntN(2) == 0 {
		p.Op = filter.Ge
	}
	return p
}

// priceRange draws an open range below or above, or, in half of the cases, a closed one.
func (m *market) priceRange(r *rand.Rand, symbol, attr int) filter.Predicate {
	low := m.price(r, symbol)
	p := filter.Predicate{Attr: m.attrs[attr], Value: filter.Int(int64(low))}
	switch r.IntN(4) {
	case 0:
		p.Op = filter.Ge
	case 1:
		p.Op = filter.Le
	default:
		p.Op = filter.Between
		p.High = filter.Int(int64(low + m.base[symbol]*(1+r.IntN(maxPercent))/100))
	}
	return p
}

func (q quotes) events(seed uint64) (nextEvent, error) {
	m := newMarket(seed)
	r := rand.New(rand.NewPCG(seed, eventStream))
	draw := func() int { return r.IntN(symbols) }
	if q.zipfEvent {
		zipf := newPopularity(symbols)
		draw = func() int { return zipf.at(r.Float64()) }
	}
	return func(dst []filter.Attribute) []filter.Attribute {
		symbol := draw()
		low, high := m.price(r, symbol), m.price(r, symbol)
		if low > high {
			low, high = high, low
		}
		put := func(attr, value int) {
			dst = append(dst, filter.Attribute{Name: m.attrs[attr], Value: filter.Int(int64(value))})
		}
		traded := func() int { return low + r.IntN(high-low+1) }
		dst = append(dst, filter.Attribute{Name: m.attrs[quoteSymbol], Value: m.symbols[symbol]})
		put(quoteExch, r.IntN(exchanges))
		put(quoteOpen, traded())
		put(quoteHigh, high)
		put(quoteLow, low)
		put(quoteClose, traded())
		put(quoteVolume, r.IntN(maxVolume))
		put(quoteDate, firstDate+r.IntN(dates))
		for attr := quoteBid; attr <= quoteChange; attr++ {
			if r.IntN(2) == 0 {
				put(attr, traded())
			}
		}
		return dst
	}, nil
}
