using System.Text;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair;

/// <summary>
/// A file on a tmpfs that grows by lines, and is replaced by a short one when it has grown much. What is added is written at once: a kill of the agent
/// leaves all of it or, at worst, a last line without an end.
/// </summary>
/// <param name="path">Where it is.</param>
internal sealed class RepairJournal(string path)
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int MaxBytes = 256 << 10;
    private const int MuchBytes = 64 << 10;
    private bool _isBroken;
    private int _bytes;

    /// <summary>What is in it, but for a last line without an end; empty if it is not there.</summary>
    public string Read()
    {
        _ = SmallFile.TryRead(path, MaxBytes, out var bytes);
        var end = bytes.LastIndexOf((byte)'\n') + 1;
        (_bytes, _isBroken) = (bytes.Length, end != bytes.Length);
        return Encoding.UTF8.GetString(bytes[..end]);
    }

    /// <summary>Adds lines.</summary>
    /// <param name="lines">They, each with its end.</param>
    /// <param name="all">All that should be in the file with them, if it has to be written as a whole.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public void Add(string lines, Func<string> all)
    {
        var bytes = Encoding.UTF8.GetBytes(lines);
        if (_isBroken || _bytes > MuchBytes || !TryAppend(bytes))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!, Mode | UnixFileMode.UserExecute);
            bytes = Encoding.UTF8.GetBytes(all());
            ReplacedFile.Write(path, bytes, Mode);
            (_bytes, _isBroken) = (0, false);
        }

        _bytes += bytes.Length;
    }

    // A restored guest waits for it: to write a file as a whole takes ten system calls.
    private unsafe bool TryAppend(ReadOnlySpan<byte> bytes)
    {
        using var file = new SafeFd(FileCalls.Open(path, Abi.O_WRONLY | Abi.O_APPEND | Abi.O_CREAT | Abi.O_NOFOLLOW | Abi.O_CLOEXEC, (uint)Mode));
        fixed (byte* start = bytes)
        {
            var count = file.IsInvalid ? 0 : DescriptorCalls.Write(file, start, (nuint)bytes.Length);
            _isBroken = count != bytes.Length;
        }

        return !_isBroken;
    }
}
