//go:build unix

package devinit

import (
	"io/fs"
	"os"
	"syscall"
)

// permissionsMean says that permission bits tell who may read a file.
const permissionsMean = true

func ownedBy(info fs.FileInfo, uid int) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == uid
}

func ownedByUs(info fs.FileInfo) bool   { return ownedBy(info, os.Geteuid()) }
func ownedByRoot(info fs.FileInfo) bool { return ownedBy(info, 0) }
