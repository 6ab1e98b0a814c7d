using System.Diagnostics.Metrics;
using ChannelSdk.Host.Qga;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ChannelSdk.Host;

/// <summary>What all instances of a host share.</summary>
public sealed record ChannelHostOptions
{
    /// <summary>The schemes of the SDK: its transports, and <c>qga</c> for guests that have only the QEMU guest agent.</summary>
    public static EndpointSchemes DefaultSchemes { get; } = TransportEndpoints.Default.With(QgaEndpoint.Scheme);

    /// <summary>Makes the logger, of category <c>ChannelSdk.Host</c>. By default nothing is logged.</summary>
    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>Makes and owns the meter <c>ChannelSdk.Host</c>; null: it is the host's own, and any listener finds it by its name.</summary>
    public IMeterFactory? MeterFactory { get; init; }

    /// <summary>The clock of all instances: deadlines, retries, leases, the times of events.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>The schemes that <see cref="ChannelHost.Attach(string, string, InstanceOptions?)"/> knows; those of one's own are added to <see cref="DefaultSchemes"/>.</summary>
    public EndpointSchemes Schemes { get; init; } = DefaultSchemes;

    /// <summary>
    /// Options of an instance that is attached without its own. The default's limits hold a guest that is hostile: its memory is bounded by
    /// windows, its work by <see cref="Protocol.Options.SessionOptions.TotalLimit"/>; set the other limits too where guests must not fill the host's disk or network.
    /// </summary>
    public InstanceOptions DefaultInstance { get; init; } = new();

    /// <summary>Checks every value.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>; the text names the option and what is allowed.</exception>
    public void Validate()
    {
        Require(nameof(LoggerFactory), LoggerFactory);
        Require(nameof(TimeProvider), TimeProvider);
        Require(nameof(Schemes), Schemes);
        Require(nameof(DefaultInstance), DefaultInstance);
        DefaultInstance.Validate();

        static void Require(string name, object? value)
        {
            if (value is null)
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{name} is null");
            }
        }
    }
}
