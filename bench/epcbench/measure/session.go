package measure

import (
	"errors"
	"fmt"
	"time"

	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/enclave/epc"
)

// slack is room beside the subscriptions of a store.
const slack = 8 << 20

// Config says what is measured, and with what.
type Config struct {
	Policy epcmodel.Policy
	// Start starts a pager that serves so many bytes; nil is a model, or Real.
	Start func(size int) (Region, error)
	// Real says that memory is an enclave's own: there is nothing to set or count.
	Real bool
	// ModelCostUs is what a fault of the model costs.
	ModelCostUs float64
	// AssumedCostUs adds what a fault of that cost would make; 0 does not.
	AssumedCostUs float64
	// Pass is how long one with faults takes at most, roughly.
	Pass time.Duration
	// Events is how many go into a pass; 0 is as many as there is time for.
	Events int
	// Emit is given each row; its error ends the job.
	Emit func(Row) error
	// Progress is told how large the job's store is and what is going on; nil is
	// nobody.
	Progress func(bytes int64, what string)
	// Expired says that no further row may begin; nil never does.
	Expired func() bool
}

// Session measures jobs with one pager's cost of a fault.
type Session struct {
	Config
	costUs float64
	source string
}

// Open looks what a fault costs here.
func Open(cfg Config) (*Session, error) {
	s := &Session{Config: cfg, costUs: cfg.ModelCostUs, source: FromModel}
	if s.Progress == nil {
		s.Progress = func(int64, string) {}
	}
	if s.Expired == nil {
		s.Expired = func() bool { return false }
	}
	switch {
	case cfg.Real:
		s.source, s.costUs = FromReal, 0
	case cfg.Start != nil:
		s.source = FromPager
		var err error
		if s.costUs, err = calibrate(cfg.Start); err != nil {
			return nil, fmt.Errorf("epcbench: calibrating: %w", err)
		}
	}
	return s, nil
}

// FaultCostUs is what a fault costs: measured, or the model's.
func (s *Session) FaultCostUs() float64 { return s.costUs }

// Source is where faults come from.
func (s *Session) Source() string { return s.source }

// Do measures a job, and returns the number of rows that were left out because the
// time was over or because they cannot be measured here.
func (s *Session) Do(j Job) (left int, err error) {
	if err := j.check(s.Real); err != nil {
		return 0, &Error{Op: "checking", Job: j, Err: err}
	}
	rows, err := s.run(&j)
	var outside *epc.Error
	if errors.As(err, &outside) && outside.Kind == epc.KindOutside { // no memory to spill to
		return j.Rows() - rows, nil
	}
	if err != nil {
		return j.Rows() - rows, &Error{Op: "measuring", Job: j, Err: err}
	}
	return j.Rows() - rows, nil
}
