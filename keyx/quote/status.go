package quote

import "slices"

// Status rates a platform's security version (Intel PCS API, TCB info version 3,
// "tcbStatus"). Verdicts also have StatusNone and, before a rating, "".
type Status string

// The statuses.
const (
	// StatusUpToDate: nothing is known against it.
	StatusUpToDate Status = "UpToDate"
	// StatusSWHardeningNeeded: up to date, the enclave's own code has to defend
	// itself against what the advisories name.
	StatusSWHardeningNeeded Status = "SWHardeningNeeded"
	// StatusConfigurationNeeded: up to date, but its firmware is configured in a
	// way that the advisories name (often hyper-threading).
	StatusConfigurationNeeded Status = "ConfigurationNeeded"
	// StatusConfigurationAndSWHardeningNeeded is both.
	StatusConfigurationAndSWHardeningNeeded Status = "ConfigurationAndSWHardeningNeeded"
	// StatusOutOfDate: known attacks work until it is updated.
	StatusOutOfDate Status = "OutOfDate"
	// StatusOutOfDateConfigurationNeeded is out of date and badly configured.
	StatusOutOfDateConfigurationNeeded Status = "OutOfDateConfigurationNeeded"
	// StatusRevoked: its keys are known to others. No policy accepts it.
	StatusRevoked Status = "Revoked"
	// StatusNone: older than every level that is rated. No policy accepts it.
	StatusNone Status = "none"
)

// flaws of a status; none of them is up to date.
const (
	needsHardening = 1 << iota
	needsConfiguration
	outOfDate
	unrated
	revoked
	unknownStatus
)

func (s Status) flaws() uint8 {
	switch s {
	case StatusUpToDate:
		return 0
	case StatusSWHardeningNeeded:
		return needsHardening
	case StatusConfigurationNeeded:
		return needsConfiguration
	case StatusConfigurationAndSWHardeningNeeded:
		return needsConfiguration | needsHardening
	case StatusOutOfDate:
		return outOfDate
	case StatusOutOfDateConfigurationNeeded:
		return outOfDate | needsConfiguration
	case StatusNone:
		return unrated
	case StatusRevoked:
		return revoked
	default:
		return unknownStatus
	}
}

// published tells whether the makers of platforms give this status.
func (s Status) published() bool { return s.flaws()&(unknownStatus|unrated) == 0 }

// DefaultStatuses are those accepted where a policy names none.
func DefaultStatuses() []Status { return []Status{StatusUpToDate, StatusSWHardeningNeeded} }

// mergeStatus rates a whole from its rated parts, worst first; no part has no
// rating. (Intel DCAP quote verification library, "convergeTcbStatus".)
func mergeStatus(parts ...Status) Status {
	var all uint8
	for _, p := range parts {
		all |= p.flaws()
	}
	switch {
	case len(parts) == 0 || all&unknownStatus != 0:
		return ""
	case all&revoked != 0:
		return StatusRevoked
	case all&unrated != 0:
		return StatusNone
	case all&outOfDate != 0 && all&needsConfiguration != 0:
		return StatusOutOfDateConfigurationNeeded
	case all&outOfDate != 0:
		return StatusOutOfDate
	case all&needsConfiguration != 0 && all&needsHardening != 0:
		return StatusConfigurationAndSWHardeningNeeded
	case all&needsConfiguration != 0:
		return StatusConfigurationNeeded
	case all&needsHardening != 0:
		return StatusSWHardeningNeeded
	default:
		return StatusUpToDate
	}
}

// mergeAdvisories is the sorted union.
func mergeAdvisories(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
