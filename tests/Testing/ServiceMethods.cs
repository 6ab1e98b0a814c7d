using System.Reflection;
using ChannelSdk.Channels;
using ChannelSdk.Services.Info;

namespace ChannelSdk.Testing;

/// <summary>The methods of all services, as both sides have them.</summary>
public static class ServiceMethods
{
    /// <summary>Each once.</summary>
    public static IReadOnlyList<MethodDescriptor> All { get; } =
    [
        .. typeof(InfoMethods).Assembly.GetTypes().SelectMany(static type => type.GetProperties(BindingFlags.Public | BindingFlags.Static))
            .Where(static property => property.PropertyType.IsAssignableTo(typeof(MethodDescriptor))).Select(static property => (MethodDescriptor)property.GetValue(null)!),
    ];
}
