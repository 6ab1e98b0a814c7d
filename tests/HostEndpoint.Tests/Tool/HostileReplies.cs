using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Messages of a type as no honest guest sends them: each field missing, and each field at its extremes.</summary>
internal static class HostileReplies
{
    private const int Depth = 4;

    /// <summary>Text that a terminal would obey, that reads backwards, and that is long.</summary>
    public static readonly string Text = "x\u001b[2J\r\n\0\u202e\u200e\u061c\u00ad\U000E0041" + new string('w', 5000);

    /// <summary>Every variant.</summary>
    public static IEnumerable<(string What, IMessage Message)> Of(MessageDescriptor type)
    {
        yield return ("empty", New(type));
        yield return ("usual", Filled(type, Depth));
        foreach (var (what, change) in Changes(type, Depth))
        {
            var message = Filled(type, Depth);
            change(message);
            yield return (what, message);
        }
    }

    private static IEnumerable<(string What, Action<IMessage> Change)> Changes(MessageDescriptor type, int depth)
    {
        foreach (var field in type.Fields.InDeclarationOrder())
        {
            yield return ($"{field.FullName} missing", message => field.Accessor.Clear(message));
            if (field.IsRepeated)
            {
                yield return ($"{field.FullName} many", message =>
                {
                    var list = (IList)field.Accessor.GetValue(message);
                    for (var i = 0; i < 300; i++)
                    {
                        list.Add(Extremes(field, 1).Last());
                    }
                }
                );
                continue;
            }

            foreach (var value in Extremes(field, depth))
            {
                yield return ($"{field.FullName} extreme", message => field.Accessor.SetValue(message, value));
            }

            if (field.FieldType == FieldType.Message && depth > 0)
            {
                foreach (var (what, change) in Changes(field.MessageType, depth - 1))
                {
                    yield return (what, message => change((IMessage)field.Accessor.GetValue(message)));
                }
            }
        }
    }

    private static object[] Extremes(FieldDescriptor field, int depth) => field.FieldType switch
    {
        FieldType.String => ["", Text[..20], Text],
        FieldType.Bytes => [ByteString.Empty, ByteString.CopyFrom(0, 255, 27, 10), ByteString.CopyFrom(new byte[10_000])],
        FieldType.Bool => [true, false],
        FieldType.Double => [double.NaN, double.PositiveInfinity, double.MinValue, double.MaxValue],
        FieldType.Float => [float.NaN, float.NegativeInfinity, float.MaxValue],
        FieldType.Enum => [999, -1, 0],
        FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => [long.MinValue, long.MaxValue, -1L, 0L],
        FieldType.UInt64 or FieldType.Fixed64 => [0UL, ulong.MaxValue, 1UL << 63],
        FieldType.UInt32 or FieldType.Fixed32 => [0U, uint.MaxValue],
        FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 => [int.MinValue, int.MaxValue, 0],
        FieldType.Message => [New(field.MessageType), Filled(field.MessageType, depth - 1)],
        _ => throw new InvalidOperationException($"{field.FullName} is of a type that this test has no values for"),
    };

    private static IMessage Filled(MessageDescriptor type, int depth)
    {
        var message = New(type);
        foreach (var field in type.Fields.InDeclarationOrder().Where(_ => depth > 0))
        {
            var value = field.FieldType switch
            {
                FieldType.String => "text",
                FieldType.Bytes => ByteString.CopyFromUtf8("bytes"),
                FieldType.Enum => 1,
                FieldType.Message => Filled(field.MessageType, depth - 1),
                FieldType.Double => 1.5,
                FieldType.Float => 1.5f,
                _ => Extremes(field, depth).Last(),
            };
            if (field.IsRepeated)
            {
                ((IList)field.Accessor.GetValue(message)).Add(value);
            }
            else
            {
                field.Accessor.SetValue(message, value);
            }
        }

        return message;
    }

    private static IMessage New(MessageDescriptor type) => type.Parser.ParseFrom(ByteString.Empty);
}
