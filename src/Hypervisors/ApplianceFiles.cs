using ChannelSdk.Protocol.Errors;

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
}
