// Verifies copies of a log with the packages that Go's checksum database is checked with:
//
//	sumdb VKEY-FILE WITNESS-VKEY-FILE KEPT-CHECKPOINT FOLDER...
//	sumdb --vectors VECTORS.json...
//
// A line for each folder: its name, `accepted` or `refused`, and why. The checkpoint is opened
// by note.Open, every tile is authenticated against the signed tree by tlog.TileHashReader,
// every entry is proved by tlog.CheckRecord, and tlog.CheckTree proves that the log continues
// the checkpoint that was kept from before. What those packages don't know is written here:
// the paths of C2SP tlog-tiles, entry bundles, and a cosignature's message. A witness that the
// folder's name asks for (`cosign...`) must have cosigned.
//
// With --vectors, every checkpoint and cosignature of those files is opened, and signed anew
// by note.Sign: the bytes must be the same.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8
const tileWidth = 1 << tileHeight

// folder reads a log's tiles; tlog checks what it reads.
type folder string

func (f folder) Height() int                     { return tileHeight }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := f.read(strconv.Itoa(tile.L), tile.N, tile.W)
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("tile %d/%d has another length", tile.L, tile.N)
		}
		all = append(all, data)
	}
	return all, nil
}

func (f folder) read(row string, index int64, width int) ([]byte, error) {
	number := fmt.Sprintf("%03d", index%1000)
	for rest := index / 1000; rest > 0; rest /= 1000 {
		number = fmt.Sprintf("x%03d/%s", rest%1000, number)
	}
	path := filepath.Join(string(f), "tile", row, number)
	if width < tileWidth {
		path += ".p/" + strconv.Itoa(width)
	}
	return os.ReadFile(path)
}

// entries gives a bundle's entries, which must fill it.
func (f folder) entries(index int64, width int) ([][]byte, error) {
	data, err := f.read("entries", index, width)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("an entry bundle is cut")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != width {
		return nil, errors.New("an entry bundle has another number of entries")
	}
	return entries, nil
}

// witness is a note.Verifier of cosignatures (C2SP tlog-cosignature, type 04).
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newWitness(vkey string) (*witness, error) {
	parts := strings.SplitN(strings.TrimSpace(vkey), "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not a verifier key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("not a witness's verifier key")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if hex.EncodeToString(sum[:4]) != parts[1] {
		return nil, errors.New("a verifier key with another id")
	}
	return &witness{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}, nil
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }

func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	return ed25519.Verify(w.key, []byte(message), signature[8:])
}

// open gives the tree that a checkpoint speaks for, once the log's key has signed it, and the
// witness, where one must have cosigned.
func open(path string, log note.Verifier, cosigner note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	data, err := os.ReadFile(path)
	if err != nil {
		return tree, err
	}
	known := []note.Verifier{log}
	if cosigner != nil {
		known = append(known, cosigner)
	}
	opened, err := note.Open(data, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	// note.Open is content with any one of those it knows.
	for _, wanted := range known {
		found := false
		for _, signature := range opened.Sigs {
			found = found || signature.Name == wanted.Name() && signature.Hash == wanted.KeyHash()
		}
		if !found {
			return tree, errors.New("not signed by " + wanted.Name())
		}
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != log.Name() {
		return tree, errors.New("not a checkpoint of this log")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

func verify(dir string, log, cosigner note.Verifier, kept tlog.Tree) error {
	tree, err := open(filepath.Join(dir, "checkpoint"), log, cosigner)
	if err != nil {
		return err
	}
	tiles := folder(dir)
	hashes := tlog.TileHashReader(tree, tiles)
	for first := int64(0); first < tree.N; first += tileWidth {
		width := tileWidth
		if tree.N-first < tileWidth {
			width = int(tree.N - first)
		}
		entries, err := tiles.entries(first/tileWidth, width)
		if err != nil {
			return err
		}
		for n, entry := range entries {
			index := first + int64(n)
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return err
			}
			hash := tlog.RecordHash(entry)
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, hash); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
	}
	if kept.N > tree.N {
		return errors.New("smaller than it was: rolled back")
	}
	proof, err := tlog.ProveTree(tree.N, kept.N, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, kept.N, kept.Hash)
}

// cosigner is the note.Signer of a witness, at a time.
type cosigner struct {
	witness
	secret ed25519.PrivateKey
	time   uint64
}

func (c cosigner) Sign(text []byte) ([]byte, error) {
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", c.time, text)
	dated := binary.BigEndian.AppendUint64(nil, c.time)
	return append(dated, ed25519.Sign(c.secret, []byte(message))...), nil
}

// vectors opens each checkpoint or cosignature of a file, and makes it anew.
func vectors(path string) error {
	var file struct {
		Seed, Vkey   string
		LogVkey      string `json:"log_vkey"`
		Checkpoints  []struct{ Note string }
		Cosignatures []struct {
			Time             uint64
			Checkpoint, Line string
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return err
	}
	seed, err := hex.DecodeString(file.Seed)
	if err != nil {
		return err
	}
	remade := func(text string, signer note.Signer, expected string) error {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err == nil && string(signed) != expected {
			err = errors.New("another spelling than in the vectors")
		}
		return err
	}
	for _, vector := range file.Checkpoints {
		log, err := note.NewVerifier(file.Vkey)
		if err != nil {
			return err
		}
		secret := base64.StdEncoding.EncodeToString(append([]byte{1}, seed...))
		skey := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", log.Name(), log.KeyHash(), secret)
		signer, err := note.NewSigner(skey)
		if err != nil {
			return err
		}
		opened, err := note.Open([]byte(vector.Note), note.VerifierList(log))
		if err != nil {
			return err
		}
		if err := remade(opened.Text, signer, vector.Note); err != nil {
			return err
		}
	}
	for _, vector := range file.Cosignatures {
		log, err := note.NewVerifier(file.LogVkey)
		if err != nil {
			return err
		}
		witness, err := newWitness(file.Vkey)
		if err != nil {
			return err
		}
		cosigned := []byte(vector.Checkpoint + vector.Line)
		opened, err := note.Open(cosigned, note.VerifierList(log, witness))
		if err != nil {
			return err
		}
		if len(opened.Sigs) != 2 {
			return errors.New("not signed by both")
		}
		signer := cosigner{*witness, ed25519.NewKeyFromSeed(seed), vector.Time}
		if err := remade(opened.Text, &signer, opened.Text+"\n"+vector.Line); err != nil {
			return err
		}
	}
	if len(file.Checkpoints)+len(file.Cosignatures) == 0 {
		return errors.New("a file without vectors")
	}
	fmt.Println(path, "is the same byte for byte")
	return nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "--vectors" {
		for _, path := range os.Args[2:] {
			fail(vectors(path))
		}
		return
	}
	if len(os.Args) < 5 {
		fail(errors.New("usage: sumdb VKEY-FILE WITNESS-VKEY-FILE KEPT-CHECKPOINT FOLDER..."))
	}
	vkey, err := os.ReadFile(os.Args[1])
	fail(err)
	log, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	fail(err)
	vkey, err = os.ReadFile(os.Args[2])
	fail(err)
	cosigner, err := newWitness(string(vkey))
	fail(err)
	kept, err := open(os.Args[3], log, nil)
	fail(err)
	for _, dir := range os.Args[4:] {
		var wanted note.Verifier
		if strings.HasPrefix(filepath.Base(dir), "cosign") {
			wanted = cosigner
		}
		if err := verify(dir, log, wanted, kept); err != nil {
			fmt.Printf("%s\trefused\t%v\n", filepath.Base(dir), err)
		} else {
			fmt.Printf("%s\taccepted\t\n", filepath.Base(dir))
		}
	}
}
