package measure

import (
	"fmt"

	"github.com/scbr/scbr/bench/harness"
)

// difference says how two sets of tags differ; its causes are found by errors.Is.
func difference(event, missing, surplus int) error {
	return fmt.Errorf("%w: event %d has %d matches too few and %d too many", harness.ErrMismatch, event, missing, surplus)
}

func wrongCovering(probe int) error {
	return fmt.Errorf("%w: whether query %d is covered", harness.ErrMismatch, probe)
}
