using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Records;

/// <summary>Folders that only their owner may enter.</summary>
internal static class PrivateFolder
{
    public const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Makes it if it is not there.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be made.</exception>
    public static void Ensure(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the folder {folder} cannot be made: {FileFault.Describe(e)}", e);
        }
    }
}
