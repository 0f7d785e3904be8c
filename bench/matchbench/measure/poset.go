package measure

import (
	"errors"
	"fmt"
	"time"

	"github.com/scbr/scbr/bench/poset"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/client/cputime"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// posetSize is the largest size of the poset: insertion is quadratic.
	posetSize = 10_000
	// posetTime is the CPU time after which its insertion is given up.
	posetTime = 30 * time.Second
	// posetLook is the number of insertions between two looks at the clock.
	posetLook = 256
)

// errSlow ends an insertion that takes too long.
var errSlow = errors.New("insertion too slow")

func (b *bench) poset() (err error) {
	if b.Subscriptions > posetSize {
		b.cell.Baselines.Poset = unmeasured(fmt.Sprintf("insertion is quadratic: measured up to %d subscriptions", posetSize))
		return nil
	}
	mem, err := newMemory()
	if err != nil {
		return err
	}
	defer mem.Close() //nolint:errcheck // the process has it anyway
	p, err := poset.New(mem)
	if err != nil {
		return err
	}
	var unsupported *poset.Error
	switch err := fillPoset(p, b.Workload, b.Subscriptions, posetTime); {
	case errors.Is(err, errSlow):
		b.cell.Baselines.Poset = unmeasured(fmt.Sprintf("insertion took more than %v of CPU time", posetTime))
		return nil
	case errors.As(err, &unsupported):
		b.cell.Baselines.Poset = unmeasured(err.Error())
		return nil
	case err != nil:
		return err
	}
	if err := b.truth.compare(b.events, nil, p.Match); err != nil {
		return err
	}
	bytes := float64(p.Stats().Bytes) / float64(b.Subscriptions)
	b.cell.Baselines.Poset = measured(timed(len(b.events), matchAll(b.events, p.Match)).ns, bytes)
	return nil
}

func fillPoset(p *poset.Poset, name string, n int, limit time.Duration) error {
	begin := cputime.Thread()
	return workload.EachFilter(name, n, workload.DefaultSeed, func(i int, preds []filter.Predicate) error {
		if i%posetLook == posetLook-1 && cputime.Thread()-begin > limit {
			return errSlow
		}
		return p.Insert(preds, uint64(i))
	})
}
