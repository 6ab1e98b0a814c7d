using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>Where a guest has its token.</summary>
/// <param name="file">The file that must have it; null for the places where one may be.</param>
internal sealed class TokenLocator(string? file)
{
    // What the machine says goes before what its disk says, as a disk may be a copy.
    private static readonly string[] s_usual = [$"/sys/firmware/qemu_fw_cfg/by_name/{UserNetToken.FirmwareName}/raw", "/etc/channel-agent/token"];

    /// <summary>The token, read now; null if there is none. The caller disposes of it.</summary>
    /// <exception cref="ChannelException">There is a file that cannot be used, or the one that must be there is not.</exception>
    internal UserNetToken? Find()
    {
        if (file is not null)
        {
            return UserNetToken.Read(file);
        }

        foreach (var path in s_usual)
        {
            var found = UserNetToken.TryRead(path, out var errno);
            if (found is not null || errno is not (Errno.ENOENT or Errno.ENOTDIR or Errno.EACCES))
            {
                return found ?? throw EndpointFault.ToException(errno, "read the token file", path);
            }
        }

        return null;
    }
}
