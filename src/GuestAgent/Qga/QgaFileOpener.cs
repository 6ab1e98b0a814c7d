using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>Opens what a client of the QEMU protocol names, as far as the policy allows it: regular files, no device.</summary>
/// <param name="policy">Asked about the place that is named, and the one that it leads to.</param>
/// <param name="gate">Asked whether files may be written at all.</param>
internal sealed class QgaFileOpener(AgentPolicy policy, ServiceGate gate)
{
    private const int NoTerminal = 0x100;
    private const int Truncate = 0x200;
    private const int Append = 0x400;
    private const uint NewFileMode = 0x1B6;

    /// <summary>Finds the place that a path leads to.</summary>
    /// <param name="path">As the client has it.</param>
    /// <param name="mode">As for fopen(3).</param>
    /// <exception cref="QgaException">No such mode.</exception>
    /// <exception cref="ChannelException">The policy does not allow it.</exception>
    public QgaPlace Find(string path, string mode)
    {
        var flags = Flags(mode);
        var writes = flags != Abi.O_RDONLY;
        if (writes)
        {
            gate.Pass(FilesMethods.Write.Name, "guest-file-open");
        }

        var reads = (flags & 3) != Abi.O_WRONLY;
        var named = RawPath.Parse(ByteString.CopyFromUtf8(PathFollower.Normalize(path)));
        Check(named, reads, writes);
        var raw = PathFollower.Resolve(path, named);
        if (raw.Text != named.Text)
        {
            // Through a link: the policy is asked about its target as well.
            Check(raw, reads, writes);
        }

        return new QgaPlace(path, mode, raw, flags);
    }

    /// <summary>Opens a place.</summary>
    /// <exception cref="QgaException">It is a device, or cannot be opened.</exception>
    public static SafeFileHandle Open(QgaPlace place)
    {
        RefuseDevice(place.Raw);
        try
        {
            return Open(place.Raw, place.Flags);
        }
        catch (FileException e)
        {
            // That links are not followed is this agent's own rule, which needs its own text.
            throw new QgaException($"failed to open file '{place.Path}' (mode: '{place.Mode}'): {(e.Errno == Errno.ELOOP ? e.Message : Errno.Message(e.Errno))}");
        }
    }

    private void Check(RawPath path, bool reads, bool writes)
    {
        if (reads)
        {
            policy.CheckRead(path.Text);
        }

        if (writes)
        {
            policy.CheckWrite(path.Text);
        }
    }

    // As the channel has it. The caller that opens it finds out whether it can be opened.
    private static void RefuseDevice(RawPath path)
    {
        var kind = FileKind.Regular;
        try
        {
            using var place = PathOpener.Open(path, Abi.O_PATH);
            kind = FileFacts.KindOf(FileFacts.Raw(place, path.Shown).Mode);
        }
        catch (ChannelException)
        {
            // It is not there, or not for us.
        }

        if (kind is FileKind.Device)
        {
            throw new QgaException($"{path.Shown} is a device, and only files are read and written");
        }
    }

    // A new file gets its mode independently of the agent's umask; an existing one keeps its mode.
    private static SafeFileHandle Open(RawPath path, int flags)
    {
        var asked = flags | NoTerminal | Abi.O_NONBLOCK;
        if ((flags & Abi.O_CREAT) != 0)
        {
            try
            {
                var made = PathOpener.Open(path, asked | Abi.O_EXCL);
                _ = DescriptorCalls.FChMod(made, NewFileMode);
                return made;
            }
            catch (FileException e) when (e.Errno == Errno.EEXIST)
            {
                // It is there; it is opened below.
            }
        }

        return PathOpener.Open(path, asked & ~Abi.O_CREAT);
    }

    // fopen(3)
    private static int Flags(string mode) => mode switch
    {
        "r" or "rb" => Abi.O_RDONLY,
        "w" or "wb" => Abi.O_WRONLY | Abi.O_CREAT | Truncate,
        "a" or "ab" => Abi.O_WRONLY | Abi.O_CREAT | Append,
        "r+" or "rb+" or "r+b" => Abi.O_RDWR,
        "w+" or "wb+" or "w+b" => Abi.O_RDWR | Abi.O_CREAT | Truncate,
        "a+" or "ab+" or "a+b" => Abi.O_RDWR | Abi.O_CREAT | Append,
        _ => throw new QgaException($"invalid file open mode '{mode}'"),
    };
}
