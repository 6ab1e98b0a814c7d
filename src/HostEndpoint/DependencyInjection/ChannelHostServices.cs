using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ChannelSdk.Host.DependencyInjection;

/// <summary>Adds the host to a container.</summary>
public static class ChannelHostServices
{
    /// <summary>
    /// Adds one <see cref="ChannelHost"/> for the container's life. It takes <see cref="ILoggerFactory"/>, <see cref="IMeterFactory"/> and
    /// <see cref="TimeProvider"/> from the container where that has them, and detaches all instances when the container is disposed of
    /// (by DisposeAsync, as generic hosts do).
    /// </summary>
    /// <param name="services">The container's services.</param>
    /// <param name="configure">Changes the options, which have the container's services already; null: they stay as they are.</param>
    public static IServiceCollection AddChannelHost(this IServiceCollection services, Func<ChannelHostOptions, IServiceProvider, ChannelHostOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return services.AddSingleton(provider =>
        {
            var options = new ChannelHostOptions { MeterFactory = provider.GetService<IMeterFactory>() };
            options = options with
            {
                LoggerFactory = provider.GetService<ILoggerFactory>() ?? options.LoggerFactory,
                TimeProvider = provider.GetService<TimeProvider>() ?? options.TimeProvider,
            };
            return new ChannelHost(configure?.Invoke(options, provider) ?? options);
        });
    }
}
