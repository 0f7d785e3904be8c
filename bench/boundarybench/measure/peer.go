package measure

import (
	"crypto/rand"
	"time"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/client/cputime"
	"github.com/scbr/scbr/enclave"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/devinit"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/enclave/platform/sim"
)

// budget of a store: what an SGX1 machine leaves to an enclave, and enclaved's default.
const budget = 93 << 20

// taker is given one frame of an enclave and says whether it was the last that was waited for. What the frame borrows is good during
// the call only.
type taker func(f *abi.Frame) (last bool, err error)

// peer is an enclave, in this process or in its own.
type peer interface {
	// exchange hands over whole frames and gives the answers to take until that has enough.
	exchange(frames []byte, take taker) error
	// cpu is a clock of the processor time that the enclave takes.
	cpu() time.Duration
	close() error
}

// frames gives all frames in buf to take.
func frames(buf []byte, take taker) (last bool, err error) {
	for len(buf) > 0 {
		f, rest, err := abi.Next(buf)
		if err != nil {
			return last, err
		}
		one, err := take(&f)
		if err != nil {
			return last, err
		}
		last, buf = last || one, rest
	}
	return last, nil
}

// inside is a core in this very process, called by the thread that measures.
type inside struct {
	core  *enclave.Core
	arena *epc.Arena
}

// newInside boots a core on a simulated platform of its own, in dir, and returns what a client of it needs.
func newInside(dir string) (*inside, client.Config, error) {
	measurement := [32]byte{1}
	if _, err := devinit.Init(dir, measurement, rand.Reader, time.Now()); err != nil {
		return nil, client.Config{}, err
	}
	files, err := devinit.ReadPlatform(platformOf(dir))
	if err != nil {
		return nil, client.Config{}, err
	}
	machine, err := sim.Load(files, sim.Config{Measurement: measurement})
	if err != nil {
		return nil, client.Config{}, err
	}
	cfg, err := client.LoadDir(dir)
	if err != nil {
		return nil, cfg, err
	}
	arena, err := epc.New(budget)
	if err != nil {
		return nil, cfg, err
	}
	core, err := enclave.New(enclave.Config{Domain: cfg.Domain, Router: cfg.Router, Platform: machine, Memory: arena, Rand: rand.Reader})
	if err != nil {
		_ = arena.Close()
		return nil, cfg, err
	}
	return &inside{core, arena}, cfg, nil
}

func (i *inside) exchange(in []byte, take taker) error {
	last := false
	err := i.core.StepTo(time.Now(), in, func(out []byte) error {
		got, err := frames(out, take)
		last = last || got
		return err
	})
	if err == nil && !last {
		return unexpected("a step without the answer")
	}
	return err
}

func (i *inside) cpu() time.Duration { return cputime.Thread() }

func (i *inside) close() error { return i.arena.Close() }
