// Proved reads for a Go program, by cgo: serves the verified bytes of an image as an io.ReaderAt.
//
//	PKG_CONFIG_PATH=... go build proved.go
//	./proved IMAGE NAME CERTIFICATE.pem >DATA
//
// Beside IMAGE lie IMAGE.manifest.json and IMAGE.manifest.json.p7s; data and tree are in IMAGE.
package main

/*
#cgo pkg-config: verity
#include <stdlib.h>
#include <verity.h>

static verity_device device_of(int fd) { verity_device device = VERITY_DEVICE_FD(fd); return device; }
*/
import "C"

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"
	"unsafe"
)

// An Error of the library.
type Error struct {
	Code    int
	Message string
}

func (e *Error) Error() string { return e.Message }

func check(code C.int, err *C.verity_error) error {
	if code == C.VERITY_OK {
		return nil
	}
	var info C.verity_error_info
	C.verity_error_get(err, &info)
	failure := &Error{int(info.code), C.GoString(info.message)}
	C.verity_error_free(err)
	return failure
}

// A Reader of proved bytes. Any goroutine may read.
type Reader struct{ handle *C.verity_reader }

func pointer(bytes []byte) unsafe.Pointer {
	if len(bytes) == 0 {
		return nil
	}
	return unsafe.Pointer(&bytes[0])
}

// Open checks the manifest and opens the image that it vouches for.
func Open(image *os.File, manifest, signature, certificate []byte, name string) (*Reader, error) {
	var err *C.verity_error
	var parsed *C.verity_certificate
	if e := check(C.verity_certificate_parse(pointer(certificate), C.size_t(len(certificate)), &parsed, &err), err); e != nil {
		return nil, e
	}
	defer C.verity_certificate_free(parsed)
	device := C.device_of(C.int(image.Fd()))
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	// Memory of C, since pointers of Go must not point to others.
	pinned := (**C.verity_certificate)(C.malloc(C.size_t(unsafe.Sizeof(parsed))))
	defer C.free(unsafe.Pointer(pinned))
	*pinned = parsed
	var trusted *C.verity_trusted
	if e := check(C.verity_manifest_verify(pointer(manifest), C.size_t(len(manifest)), pointer(signature),
		C.size_t(len(signature)), pinned, 1, text, C.uint64_t(time.Now().Unix()), &device, &trusted, &err), err); e != nil {
		return nil, e
	}
	defer C.verity_trusted_free(trusted)
	reader := &Reader{}
	if e := check(C.verity_reader_open(trusted, &device, &device, nil, 0, 0, &reader.handle, &err), err); e != nil {
		return nil, e
	}
	return reader, nil
}

// Size of the data, in bytes.
func (r *Reader) Size() int64 { return int64(C.verity_reader_size(r.handle)) }

// ReadAt reads proved bytes, and nothing else.
func (r *Reader) ReadAt(bytes []byte, offset int64) (int, error) {
	var err *C.verity_error
	var got C.size_t
	code := C.verity_reader_read(r.handle, pointer(bytes), C.size_t(len(bytes)), C.uint64_t(offset), &got, &err)
	if e := check(code, err); e != nil {
		return int(got), e
	}
	if int(got) < len(bytes) {
		return int(got), io.EOF
	}
	return int(got), nil
}

// Close frees the reader.
func (r *Reader) Close() { C.verity_reader_close(r.handle) }

func run(path, name, certificate string) error {
	var files [3][]byte
	for i, file := range []string{path + ".manifest.json", path + ".manifest.json.p7s", certificate} {
		bytes, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files[i] = bytes
	}
	image, err := os.Open(path)
	if err != nil {
		return err
	}
	defer image.Close()
	reader, err := Open(image, files[0], files[1], files[2], name)
	if err != nil {
		return err
	}
	defer reader.Close()
	hash := sha256.New()
	data := io.NewSectionReader(reader, 0, reader.Size())
	if _, err := io.Copy(io.MultiWriter(os.Stdout, hash), data); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%x\n", hash.Sum(nil))
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: proved IMAGE NAME CERTIFICATE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
