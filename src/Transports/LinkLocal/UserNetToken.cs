using ChannelSdk.Linux.Memory;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>
/// What tells the agent on QEMU's user network from every other process of its guest: bytes that host and agent know, and that
/// only root of the guest can read. The agent says them first on each of its connections.
/// </summary>
public sealed class UserNetToken : IDisposable
{
    /// <summary>Bytes of a token.</summary>
    public const int Length = 32;

    /// <summary>The name that QEMU gives a token to the guest by: <c>-fw_cfg name=NAME,file=PATH</c>.</summary>
    public const string FirmwareName = "opt/org.channelsdk/token";

    /// <summary>Bytes that stand before the first HELLO of a connection.</summary>
    internal const int PrefaceLength = 8 + Length;

    private readonly SecretPages _pages = new(Length);

    private UserNetToken()
    {
    }

    /// <summary>What a preface begins with.</summary>
    internal static ReadOnlySpan<byte> Mark => "CHTOKEN\u0001"u8;

    /// <summary>Makes a new, random token in a file that only this user can read.</summary>
    /// <param name="path">Path of the file, which must not be there.</param>
    /// <exception cref="ChannelException">The file cannot be made or written; the text says why.</exception>
    public static unsafe UserNetToken Create(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var token = new UserNetToken();
        KernelRandom.FillSecret(token._pages.Bytes);
        using var file = new SafeFd(FileCalls.Open(path, Abi.O_WRONLY | Abi.O_CREAT | Abi.O_EXCL | Abi.O_NOFOLLOW | Abi.O_CLOEXEC, 0x180));
        if (file.IsInvalid)
        {
            throw EndpointFault.ToException(Errno.Last, "make the token file", path);
        }

        return DescriptorCalls.Write(file, token._pages.Start, Length) == Length ? token
            : throw EndpointFault.ToException(Errno.Last, "write the token file", path);
    }

    /// <summary>Reads the token of a file, which must belong to this user or root and be closed to others.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.EndpointMissing"/> or <see cref="ChannelError.EndpointDenied"/>: it is not there, or cannot be read; <see cref="ChannelError.BadConfiguration"/>: it is no token, or others can read it.
    /// </exception>
    public static UserNetToken Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return TryRead(path, out var errno) ?? throw EndpointFault.ToException(errno, "read the token file", path);
    }

    /// <summary>Listens for a guest whose agent has this token; connections without it are dropped.</summary>
    /// <param name="socketPath">Absolute path of the Unix socket that <c>channel-forward</c> hands connections to, at most 107 bytes.</param>
    /// <param name="owner">The user that the QEMU runs as, and its group's number; null for this process's user.</param>
    /// <returns>As <c>usernet://PATH?token-file=FILE</c>; nothing is opened before its first OpenAsync.</returns>
    public ITransportEndpoint Listen(string socketPath, uint? owner = null)
    {
        ArgumentNullException.ThrowIfNull(socketPath);
        return LinkLocalSchemes.OnUserNet($"{LinkLocalSchemes.UserNet}://{socketPath}", socketPath, () => this, owner);
    }

    /// <summary>Reads a token; null and the errno if the file cannot be opened.</summary>
    internal static unsafe UserNetToken? TryRead(string path, out int errno)
    {
        errno = 0;
        using var file = new SafeFd(FileCalls.Open(path, Abi.O_NONBLOCK | Abi.O_NOCTTY | Abi.O_CLOEXEC, 0));
        if (file.IsInvalid)
        {
            errno = Errno.Last;
            return null;
        }

        StatxResult found = default;
        if (FileCalls.Statx((int)file.DangerousGetHandle(), "", Abi.AT_EMPTY_PATH, Abi.STATX_TYPE | Abi.STATX_MODE | Abi.STATX_INO | Abi.STATX_UID, &found) != 0
            || (found.Mode & Abi.S_IFMT) != Abi.S_IFREG)
        {
            throw Bad(path, "it is no file");
        }

        if ((found.Mode & Abi.S_IRWXGO) != 0 || (found.UserId != 0 && found.UserId != ProcessCalls.GetEUid()))
        {
            throw Bad(path, "others can read it; chown root and chmod 600 make it secret");
        }

        var token = new UserNetToken();
        using var bytes = new SecretPages(Length + 1);
        if (DescriptorCalls.Read(file, bytes.Start, Length + 1) != Length)
        {
            throw Bad(path, $"it has other than {Length} bytes; make one by 'head -c {Length} /dev/urandom'");
        }

        bytes.Bytes[..Length].CopyTo(token._pages.Bytes);
        return token;
    }

    /// <summary>Writes the preface.</summary>
    /// <param name="target">Of <see cref="PrefaceLength"/> bytes.</param>
    internal void WritePreface(Span<byte> target)
    {
        Mark.CopyTo(target);
        _pages.Bytes.CopyTo(target[Mark.Length..]);
        GC.KeepAlive(this);
    }

    /// <summary>Whether a preface has this token. Takes as long for every wrong one.</summary>
    internal bool IsIn(ReadOnlySpan<byte> untrusted)
    {
        var isHeld = false;
        try
        {
            // It may be disposed of meanwhile.
            _pages.DangerousAddRef(ref isHeld);
            var different = untrusted.StartsWith(Mark) ? 0 : 1;
            var said = untrusted.Slice(Mark.Length, Length);
            var mine = _pages.Bytes;
            for (var i = 0; i < Length; i++)
            {
                different |= said[i] ^ mine[i];
            }

            return different == 0;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
        finally
        {
            if (isHeld)
            {
                _pages.DangerousRelease();
            }
        }
    }

    /// <summary>Overwrites it. Endpoints that listen for it accept no link from then on.</summary>
    public void Dispose() => _pages.Dispose();

    private static ChannelException Bad(string path, string why) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"the token file {path} cannot be used: {why}");
}
