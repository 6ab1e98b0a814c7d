using ChannelSdk.Host.Files;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors;

/// <summary>The files that an appliance is started from.</summary>
internal static class ApplianceFiles
{
    /// <summary>Checks that all of them are there; null stands for one that the appliance does not have.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: which one is missing.</exception>
    public static void Require(params ReadOnlySpan<string?> files)
    {
        foreach (var file in files)
        {
            if (file is not null && !File.Exists(file))
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the appliance's file {file} is not there; 'channelctl appliance build' makes one");
            }
        }
    }

    /// <summary>Opens one for a hypervisor that is given it open.</summary>
    /// <param name="path">The file.</param>
    /// <param name="isOfOthers">Whether another user reads it, who needs a right to it, but none to its folders.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be opened, or not by the other user.</exception>
    public static SafeFileHandle Open(string path, bool isOfOthers)
    {
        const int othersRead = 4;
        SafeFileHandle? file = null;
        try
        {
            file = LocalFile.OpenRegular(path);
            return !isOfOthers || (FileOwner.Of((int)file.DangerousGetHandle()) is { } owner && (owner.Mode & othersRead) != 0) ? file
                : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the appliance's file {path} can be read by its owner alone, and its QEMU runs as another user; run 'chmod o+r {path}'");
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }
}
