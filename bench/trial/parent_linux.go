package trial

import "syscall"

// dieWithParent ends routerd in order when the trial dies, however it dies: no daemon stays behind. Signals from a terminal reach
// the trial only.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
