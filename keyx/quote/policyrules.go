package quote

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sizes of the ids of platforms, and a bound of advisories' names.
const (
	ppidBytes        = 16
	chipIDBytes      = 64
	maxAdvisoryBytes = 64
)

func (r *policyReader) tds(dst *[]TDRule) error {
	return r.list(MaxPolicyRules, func() error {
		var rule TDRule
		err := r.object(r.field, func(key string) error {
			if key == keyMRTD {
				return r.hash(rule.MRTD[:])
			}
			digit, ok := strings.CutPrefix(key, keyRTMR)
			i, err := strconv.Atoi(digit)
			if !ok || err != nil || len(digit) != 1 || i >= RTMRs {
				return errUnknown
			}
			rule.RTMR[i] = new([TDHashBytes]byte)
			return r.register(rule.RTMR[i][:])
		})
		if err == nil {
			err = rule.validate()
		}
		if err == nil && slices.ContainsFunc(*dst, rule.equal) {
			err = errRepeated
		}
		*dst = append(*dst, rule)
		return err
	})
}

// register reads a run-time measurement: zeros are what an unused one has.
func (r *policyReader) register(dst []byte) error {
	if err := r.hash(dst); err != nil && !errors.Is(err, errZero) {
		return err
	}
	return nil
}

func (r TDRule) equal(o TDRule) bool {
	for i := range r.RTMR {
		a, b := r.RTMR[i], o.RTMR[i]
		if (a == nil) != (b == nil) || a != nil && *a != *b {
			return false
		}
	}
	return r.MRTD == o.MRTD
}

func (r *policyReader) guests(dst *[]GuestRule) error {
	return r.list(MaxPolicyRules, func() error {
		var rule GuestRule
		rated := false
		err := r.object(r.field, func(key string) error {
			switch key {
			case keyMeasurement:
				return r.hash(rule.Measurement[:])
			case keyMinTCB:
				rated = true
				return r.guestTCB(&rule)
			case keyMaxVMPL:
				return r.vmpl(&rule.MaxVMPL)
			}
			return errUnknown
		})
		switch {
		case err != nil:
			return err
		case rule.Measurement == [48]byte{}:
			return fmt.Errorf("%s is missing", keyMeasurement)
		case !rated:
			return fmt.Errorf("%s is missing: AMD rates no versions, so that the policy has to", keyMinTCB)
		}
		if slices.ContainsFunc(*dst, rule.overlaps) {
			return errRepeated
		}
		*dst = append(*dst, rule)
		return nil
	})
}

func (r *policyReader) vmpl(dst *uint32) (err error) {
	if *dst, err = number[uint32](r); err == nil && *dst >= snpVMPLs {
		err = errVMPL
	}
	return err
}

func (r *policyReader) guestTCB(rule *GuestRule) error {
	t := &rule.MinTCB
	fields := map[string]*uint8{
		"bootloader": &t.Bootloader, "tee": &t.TEE, "snp": &t.SNP, "microcode": &t.Microcode, "fmc": &t.FMC,
	}
	missing := map[string]bool{"bootloader": true, "tee": true, "snp": true, "microcode": true}
	err := r.object(r.field, func(key string) (err error) {
		delete(missing, key)
		if key == keyFamily {
			rule.Product, err = r.product()
			return err
		}
		field, ok := fields[key]
		if !ok {
			return errUnknown
		}
		*field, err = number[uint8](r)
		return err
	})
	for _, key := range []string{"bootloader", "tee", "snp", "microcode"} {
		if err == nil && missing[key] {
			err = fmt.Errorf("%s is missing", key)
		}
	}
	return err
}

// product reads the name of a family; none at all is written by leaving it out.
func (r *policyReader) product() (string, error) {
	text, err := r.text()
	if err == nil && (text == "" || len(text) > maxProductBytes || strings.ContainsFunc(text, notInProduct)) {
		err = errProductForm
	}
	return text, err
}

func (r *policyReader) statuses(dst *[]Status) error {
	return r.list(MaxPolicyMeasurements, func() error {
		text, err := r.text()
		if err != nil {
			return err
		}
		if err := checkPolicyStatus(Status(text)); err != nil {
			return err
		}
		if slices.Contains(*dst, Status(text)) {
			return errRepeated
		}
		*dst = append(*dst, Status(text))
		return nil
	})
}

// advisories may be an empty list: none may stand against a platform.
func (r *policyReader) advisories(dst *[]string) error {
	*dst = []string{}
	_, err := r.anyList(MaxPolicyAdvisories, func() error {
		text, err := r.text()
		if err != nil {
			return err
		}
		if text == "" || len(text) > maxAdvisoryBytes {
			return errors.New("not an advisory's name")
		}
		if slices.Contains(*dst, text) {
			return errRepeated
		}
		*dst = append(*dst, text)
		return nil
	})
	return err
}

func (r *policyReader) platforms(dst *[][]byte) error {
	return r.list(MaxPolicyPlatforms, func() error {
		text, err := r.text()
		if err != nil {
			return err
		}
		id, err := hex.DecodeString(text)
		if err != nil || len(id) != ppidBytes && len(id) != chipIDBytes {
			return fmt.Errorf("neither %d hexadecimal digits (PPID) nor %d (chip id)", 2*ppidBytes, 2*chipIDBytes)
		}
		if slices.ContainsFunc(*dst, func(o []byte) bool { return bytes.Equal(o, id) }) {
			return errRepeated
		}
		*dst = append(*dst, id)
		return nil
	})
}

func (r *policyReader) duration(dst *time.Duration) error {
	text, err := r.text()
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New(`not a time span such as "720h"`)
	}
	*dst = d
	return nil
}

func (r *policyReader) boolean() (bool, error) {
	t, err := r.next()
	if err != nil {
		return false, err
	}
	b, ok := t.(bool)
	if !ok {
		return false, errors.New("neither true nor false")
	}
	return b, nil
}
